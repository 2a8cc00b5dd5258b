/** `$$`, or `$(NAME)` up to the first closing parenthesis. */
const REFERENCE = /\$\$|\$\(([^)]*)\)/g;

/**
 * Replaces the references `$(NAME)` of a text, as Kubernetes does in `env`, `args` and `subPathExpr`. `$$` is a dollar
 * sign; a reference to a variable that isn't there stays as it is.
 */
export function expand(text: string, variable: (name: string) => string | undefined): string {
  return text.replace(
    REFERENCE,
    (reference, name?: string) => name === undefined ? "$" : variable(name) ?? reference,
  );
}
