/** The kubeconfig is missing or broken, or lacks something that is needed. */
export class KubeconfigError extends Error {
  override name = "KubeconfigError";
  /** What to do next. */
  readonly hint: string | undefined;

  constructor(message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}

/** The kubeconfig has no context of that name, or no current one. */
export class NoSuchContext extends KubeconfigError {
  override name = "NoSuchContext";
}

/** The first lines of an error's message, as one; of the kernel's errors the words alone. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/ \(os error \d+\)(: \w+ '.*')?$/, "").trim().split("\n").slice(0, 5).join("; ")
    .slice(0, 500);
}
