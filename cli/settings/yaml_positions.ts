import { type Event, EVENT_ID, getScalarValue, parseEvents, YAMLException } from "js-yaml";
import { type PlacedEntry, type PlacedValue, WrongLine } from "./placed_value.ts";

/**
 * Parses a file of one document; an empty one is an empty mapping.
 * @throws {WrongLine} for what isn't YAML, and for what a settings file doesn't need: anchors, tags, keys that are no text
 */
export function parsePlaced(text: string): PlacedValue {
  let events: Event[];
  try {
    events = parseEvents(text, { maxDepth: 8 });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw new WrongLine((error.mark?.line ?? 0) + 1, `this is not valid YAML: ${error.reason}`);
  }
  return new Reader(text, events).document();
}

class Reader {
  readonly #text: string;
  readonly #events: readonly Event[];
  #at = 0;
  /** Where the last event with a place stood. */
  #offset = 0;

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  document(): PlacedValue {
    const nothing: PlacedValue = { kind: "mapping", line: 1, entries: [] };
    if (this.#next()?.type !== EVENT_ID.DOCUMENT) return nothing;
    const first = this.#events[this.#at];
    const value = first === undefined || first.type === EVENT_ID.POP ? nothing : this.#value();
    this.#at++; // the document's end
    if (this.#at < this.#events.length) throw new WrongLine(this.#line, "expected one document");
    const isEmpty = value.kind === "text" && value.text === "";
    return isEmpty ? nothing : value;
  }

  #value(): PlacedValue {
    const event = this.#next();
    switch (event?.type) {
      case EVENT_ID.SCALAR: {
        this.#place(event.valueStart, event);
        return { kind: "text", line: this.#line, text: getScalarValue(this.#text, event) };
      }
      case EVENT_ID.SEQUENCE: {
        this.#place(event.start, event);
        const line = this.#line;
        const items: PlacedValue[] = [];
        while (!this.#ends()) items.push(this.#value());
        return { kind: "list", line, items };
      }
      case EVENT_ID.MAPPING: {
        this.#place(event.start, event);
        const line = this.#line;
        const entries: PlacedEntry[] = [];
        while (!this.#ends()) entries.push(this.#entry(entries));
        return { kind: "mapping", line, entries };
      }
      default:
        throw new WrongLine(this.#line, "aliases are not supported: write the value itself");
    }
  }

  #entry(before: readonly PlacedEntry[]): PlacedEntry {
    const key = this.#value();
    if (key.kind !== "text") throw new WrongLine(key.line, "a key has to be a word");
    const first = before.find((one) => one.key === key.text);
    if (first) throw new WrongLine(key.line, `${key.text} stands here twice: first in line ${first.line}`);
    return { key: key.text, line: key.line, value: this.#value() };
  }

  /** Whether a list or mapping ends here; its end is read then. */
  #ends(): boolean {
    const event = this.#events[this.#at];
    if (event !== undefined && event.type !== EVENT_ID.POP) return false;
    this.#at++;
    return true;
  }

  #next(): Event | undefined {
    return this.#events[this.#at++];
  }

  #place(
    offset: number,
    { anchorStart, tagStart }: { readonly anchorStart: number; readonly tagStart: number },
  ) {
    if (offset >= 0) this.#offset = offset;
    if (anchorStart >= 0 || tagStart >= 0) {
      throw new WrongLine(this.#line, "anchors and tags are not supported: write the value itself");
    }
  }

  get #line(): number {
    return this.#text.slice(0, this.#offset).split("\n").length;
  }
}
