/** The one shape of every log of pmz: a level, a message that never changes, and what it is about as fields. */

/** `error`: something is broken until somebody acts. `warn`: something failed and the rest works. `info`: a change of state. */
export type Level = "info" | "warn" | "error";

/** Writes one line. Values that change from line to line belong into `fields`, so that messages can be searched for. */
export type Log<Fields = Record<string, unknown>> = (level: Level, message: string, fields?: Fields) => void;
