/** The list that an installation keeps of what it made, so that nothing else is ever removed. */

/** A file, by the SHA-256 of what is in it, or a link, by where it leads. */
export type RecordedFile =
  & { readonly path: string }
  & ({ readonly sha256: string } | { readonly link: string });

export interface InstallRecord {
  readonly release: string;
  /** A path is listed twice while it is being replaced. */
  readonly files: readonly RecordedFile[];
  /** Folders that weren't there before, outermost first. */
  readonly folders: readonly string[];
}

const VERSION = 1;
/** Bytes of a record; more isn't one. */
const LONGEST = 64 * 1024;

/** @returns undefined where no list exists, or where it can't be read: what it lists then counts as somebody else's */
export function readRecord(path: string): InstallRecord | undefined {
  let text;
  try {
    if (Deno.statSync(path).size > LONGEST) return undefined;
    text = Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
  return parseRecord(text);
}

export function formatRecord({ release, files, folders }: InstallRecord): string {
  return `${JSON.stringify({ version: VERSION, release, files, folders }, null, 2)}\n`;
}

/** @returns undefined for what isn't a record of this version */
export function parseRecord(text: string): InstallRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value.version !== VERSION || typeof value.release !== "string") return undefined;
  const { release, files, folders } = value;
  if (!Array.isArray(files) || !files.every(isRecordedFile)) return undefined;
  if (!Array.isArray(folders) || !folders.every(isPath)) return undefined;
  return { release, files, folders };
}

function isRecordedFile(value: unknown): value is RecordedFile {
  if (!isObject(value) || !isPath(value.path)) return false;
  return (typeof value.sha256 === "string" && /^[0-9a-f]{64}$/.test(value.sha256)) ||
    (typeof value.link === "string" && value.link !== "");
}

/** Absolute, and without a way up. */
function isPath(value: unknown): value is string {
  return typeof value === "string" && value.startsWith("/") && !value.split("/").includes("..");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
