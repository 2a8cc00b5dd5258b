/** A value of a YAML file, and the line that it stands in, counted from 1. Scalars are text: who reads them knows what they are. */
export type PlacedValue =
  | { readonly kind: "text"; readonly line: number; readonly text: string }
  | { readonly kind: "list"; readonly line: number; readonly items: readonly PlacedValue[] }
  | { readonly kind: "mapping"; readonly line: number; readonly entries: readonly PlacedEntry[] };

export interface PlacedEntry {
  readonly key: string;
  readonly line: number;
  readonly value: PlacedValue;
}

/** What is wrong with a file, and in which line. */
export class WrongLine extends Error {
  override name = "WrongLine";
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}
