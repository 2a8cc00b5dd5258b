// deno std comes from npm as JavaScript without types; these are the types of what is used here.
declare module "@std/async/deadline.js" {
  /** Rejects with a DOMException "TimeoutError" when `promise` has not settled after `ms` milliseconds. */
  export function deadline<T>(
    promise: Promise<T>,
    ms: number,
    options?: { signal?: AbortSignal },
  ): Promise<T>;
}
declare module "@std/async/delay.js" {
  /** Settles after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
  export function delay(ms: number, options?: { signal?: AbortSignal; persistent?: boolean }): Promise<void>;
}

declare module "@std/yaml/parse.js" {
  /** All documents of a YAML text. @throws SyntaxError */
  export function parseAll(content: string): unknown[];
}

declare module "@std/yaml/stringify.js" {
  /** One YAML document. @throws TypeError for what YAML can't say */
  export function stringify(data: unknown, options?: { lineWidth?: number; useAnchors?: boolean }): string;
}
