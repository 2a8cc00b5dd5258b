import { nearestWord } from "../nearest_word.ts";
import { type PlacedValue, WrongLine } from "./placed_value.ts";
import { NotASetting, type Setting, settings } from "./table.ts";

/** What the file says of a setting, and in which line. */
export interface FileValue {
  readonly line: number;
  readonly texts: readonly string[];
}

const all: readonly Setting<unknown>[] = Object.values(settings);

/**
 * Reads the settings of a file, by their keys.
 * @throws {WrongLine} for a key that isn't a setting's, with the near one, and for a value that isn't valid
 */
export function settingsIn(document: PlacedValue): Map<string, FileValue> {
  const found = new Map<string, FileValue>();
  readMapping(document, "", found);
  return found;
}

function readMapping(value: PlacedValue, prefix: string, found: Map<string, FileValue>): void {
  if (value.kind !== "mapping") {
    const what = prefix === "" ? "the file" : prefix.slice(0, -1);
    throw new WrongLine(value.line, `${what} has to be a mapping: expected lines such as "context: dev"`);
  }
  for (const { key, line, value: inside } of value.entries) {
    const setting = all.find((one) => one.key === `${prefix}${key}`);
    if (setting) {
      const texts = textsOf(setting, inside);
      try {
        setting.parse(texts);
      } catch (error) {
        if (error instanceof NotASetting) {
          throw new WrongLine(wrongLineOf(setting, inside), `${setting.key}: ${error.message}`);
        }
        throw error;
      }
      found.set(setting.key, { line, texts });
    } else if (all.some((one) => one.key.startsWith(`${prefix}${key}.`))) {
      readMapping(inside, `${prefix}${key}.`, found);
    } else throw new WrongLine(line, unknownKey(prefix, key));
  }
}

/** The texts of a setting, as its variable would have them. @throws {WrongLine} for a value of another shape */
function textsOf(setting: Setting<unknown>, value: PlacedValue): string[] {
  const { key, shape } = setting;
  if (shape === "text" && value.kind === "text") return [value.text];
  if (shape === "list" && value.kind === "text") return [value.text];
  if (shape === "list" && value.kind === "list") return value.items.map((item) => textOf(item, key));
  if (shape === "mapping" && value.kind === "mapping") {
    return value.entries.map((entry) => `${entry.key}=${textOf(entry.value, `${key}.${entry.key}`)}`);
  }
  const expected = {
    text: "one value",
    list: 'a list, such as ["one", "two"]',
    mapping: 'a mapping, such as "shop.example: echo.shop"',
  };
  throw new WrongLine(value.line, `${key} is not valid: expected ${expected[shape]}`);
}

function textOf(value: PlacedValue, key: string): string {
  if (value.kind === "text") return value.text;
  throw new WrongLine(value.line, `${key} is not valid: expected one value`);
}

/** The line of the first item that isn't valid by itself. */
function wrongLineOf(setting: Setting<unknown>, value: PlacedValue): number {
  const parts: readonly (readonly [number, string])[] = value.kind === "list"
    ? value.items.map((item) => [item.line, textOf(item, setting.key)])
    : value.kind === "mapping"
    ? value.entries.map((entry) => [entry.line, `${entry.key}=${textOf(entry.value, setting.key)}`])
    : [];
  const wrong = parts.find(([, text]) => {
    try {
      setting.parse([text]);
      return false;
    } catch {
      return true;
    }
  });
  return wrong?.[0] ?? value.line;
}

function unknownKey(prefix: string, key: string): string {
  const words = [
    ...new Set(
      all.filter((one) => one.key.startsWith(prefix)).map((one) =>
        one.key.slice(prefix.length).split(".")[0] ?? ""
      ),
    ),
  ];
  const elsewhere = all.find((one) => one.key.split(".").at(-1) === key);
  const near = nearestWord(key, words);
  const meant = near !== undefined ? `${prefix}${near}` : elsewhere?.key;
  const suggestion = meant === undefined ? `expected ${words.join(", ")}` : `did you mean ${meant}?`;
  return `${prefix}${key} is not a setting: ${suggestion}`;
}
