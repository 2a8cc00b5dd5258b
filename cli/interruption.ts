/** What Ctrl-C has left, and what to do about it. */
export interface Interruption {
  readonly message: string;
  readonly hint?: string;
}

/** Of a command whose work is undone when it's interrupted. */
export const undone: Interruption = { message: "interrupted: what had begun is being undone" };
