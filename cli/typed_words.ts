/** What was typed: pmz's own words, and those after "--" of a command that runs a program, which are the program's, whatever they are. */
export interface TypedWords {
  readonly own: readonly string[];
  readonly program?: readonly string[];
}

/** @param takesProgram whether the command is one that runs a program */
export function ownWords(typed: readonly string[], takesProgram: boolean): TypedWords {
  const at = typed.indexOf("--");
  return at < 0 || !takesProgram ? { own: typed } : { own: typed.slice(0, at), program: typed.slice(at + 1) };
}

/** "-ojson", as kubectl takes it, is "-o json". */
export function apart(word: string): readonly string[] {
  const [, format] = /^-o=?(.+)$/.exec(word) ?? [];
  return format === undefined ? [word] : ["-o", format];
}
