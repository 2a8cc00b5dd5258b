/** Causes at most: a chain may be a ring. */
const LONGEST = 8;

/** An error and what caused it, outermost first; eight at most. */
export function causeChain(error: unknown): unknown[] {
  const chain: unknown[] = [];
  let at = error;
  while (at !== undefined && at !== null && chain.length < LONGEST) {
    chain.push(at);
    at = at instanceof Error ? at.cause : undefined;
  }
  return chain;
}

/** An error in one line, without its causes: "TypeError: not a function". */
export function formatError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** What caused an error, outermost first, each in one line. */
export function formatCauses(error: unknown): string[] {
  return causeChain(error).slice(1).map(formatError);
}
