import { failure } from "../failure.ts";
import { clean } from "../sanitize.ts";
import { type FileValue, settingsIn } from "./config_file.ts";
import { WrongLine } from "./placed_value.ts";
import { NotASetting, type Setting, type SettingName, settings, type SettingValues } from "./table.ts";

/** Bytes of a file. */
const LONGEST = 1 << 20;

/** Where the values of settings come from. */
export interface SettingSources {
  readonly env: { get(name: string): string | undefined };
  /** The text of a file; undefined where it does not exist. By default this machine's. @throws where it can't be read */
  readText?(path: string): Promise<string | undefined>;
}

/** A setting as `pmz config view` shows it. */
export interface ShownSetting {
  readonly key: string;
  /** A text, or the items of a list or mapping; absent where nothing says it. */
  readonly value?: string | readonly string[];
  /** The file with the line, the variable, or "default". */
  readonly from: string;
  readonly variable: string;
  readonly option: string;
}

/** What holds where the command line says nothing. */
export interface Settings extends SettingValues {
  /** Where the file is, or would be; undefined without a home folder. */
  readonly path: string | undefined;
  /** All of them, in the order of the table. */
  readonly shown: readonly ShownSetting[];
}

/** The file's path: `$XDG_CONFIG_HOME/pmz/config.yaml`, or `~/.config/pmz/config.yaml`. */
export function configPath(env: SettingSources["env"]): string | undefined {
  const base = env.get("XDG_CONFIG_HOME");
  if (base?.startsWith("/")) return `${base}/pmz/config.yaml`;
  const home = env.get("HOME");
  return home?.startsWith("/") ? `${home}/.config/pmz/config.yaml` : undefined;
}

/**
 * Reads all settings: a variable comes before the file.
 * @throws {CliFailure} `usage` for a file that isn't valid, with its line, and for a variable that isn't
 */
export async function readSettings(sources: SettingSources): Promise<Settings> {
  const path = configPath(sources.env);
  const inFile = path === undefined ? new Map<string, FileValue>() : await readFile(path, sources);
  const values: Partial<Record<SettingName, unknown>> = {};
  const shown: ShownSetting[] = [];
  for (const [name, setting] of Object.entries(settings) as [SettingName, Setting<unknown>][]) {
    const { key, variable, option } = setting;
    const said = fromVariable(setting, sources.env) ?? fromFile(setting, inFile.get(key), path);
    values[name] = said ? said.value : setting.otherwise;
    const texts = said ? setting.format(said.value) : [];
    shown.push({
      key,
      ...(said ? { value: setting.shape === "text" ? texts[0] ?? "" : texts } : {}),
      from: said?.from ?? "default",
      variable,
      option,
    });
  }
  return { ...values as SettingValues, path, shown };
}

interface Said {
  readonly value: unknown;
  readonly from: string;
}

function fromVariable(setting: Setting<unknown>, env: SettingSources["env"]): Said | undefined {
  const { variable, shape } = setting;
  const text = env.get(variable) ?? "";
  if (text.trim() === "") return undefined;
  const texts = shape === "text"
    ? [text]
    : text.split(",").map((one) => one.trim()).filter((one) => one !== "");
  try {
    return { value: setting.parse(texts), from: variable };
  } catch (error) {
    if (!(error instanceof NotASetting)) throw error;
    throw failure(
      "usage",
      clean(`${variable}: ${error.message}`),
      `change it, or unset it: unset ${variable}`,
    );
  }
}

function fromFile(
  setting: Setting<unknown>,
  said: FileValue | undefined,
  path: string | undefined,
): Said | undefined {
  return said && { value: setting.parse(said.texts), from: `${path}:${said.line}` };
}

async function readFile(
  path: string,
  { readText = textOf }: SettingSources,
): Promise<Map<string, FileValue>> {
  let text: string | undefined;
  try {
    text = await readText(path);
  } catch (error) {
    throw failure(
      "usage",
      `${path} can't be read: ${error instanceof Error ? error.message : error}`,
      "pmz has its settings there: make it readable, or move it away",
      error,
    );
  }
  if (text === undefined) return new Map();
  // Loaded where there is a file, and not before: it costs time.
  const { parsePlaced } = await import("./yaml_positions.ts");
  try {
    if (text.length > LONGEST) throw new WrongLine(1, `it is larger than ${LONGEST >> 20} MiB`);
    return settingsIn(parsePlaced(text));
  } catch (error) {
    if (!(error instanceof WrongLine)) throw error;
    throw failure(
      "usage",
      clean(`${path}:${error.line}: ${error.message}`),
      "its settings: pmz config view --help",
    );
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
