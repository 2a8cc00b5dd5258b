// The command lines of the page's buttons, as words without "pmz".

/**
 * As a shell takes it.
 * @param {readonly string[]} words
 * @returns {string}
 */
export function written(words) {
  return ["pmz", ...words].map(quoted).join(" ");
}

/** @param {string} word */
function quoted(word) {
  return /^[A-Za-z0-9@%+:=,./_-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * @typedef {object} InterceptChoice
 * @property {string} service "echo.default"
 * @property {string} local the port, or HOST:PORT, of the user's program
 * @property {string} port of the Service; empty where it has one only
 * @property {"all" | "match" | "personal" | "mine"} takes
 * @property {readonly { kind: string, value: string }[]} matchers "header", "x-user=alice"
 * @property {boolean} mirror
 * @property {string} ttl
 * @property {string} context empty where only one cluster is connected
 * @property {string} confirm the Service's name, typed for a protected context
 */

/**
 * @param {InterceptChoice} choice
 * @returns {string[]}
 */
export function interceptWords({ service, local, port, takes, matchers, mirror, ttl, context, confirm }) {
  return [
    "intercept",
    service,
    port === "" ? local : `${local}:${port}`,
    ...(takes === "match"
      ? matchers.flatMap(({ kind, value }) => value === "" ? [] : [`--${kind}`, value])
      : []),
    ...(takes === "personal" ? ["--personal"] : []),
    ...(takes === "mine" ? ["--mine"] : []),
    ...(mirror && takes !== "mine" ? ["--mirror"] : []),
    ...option("ttl", ttl),
    ...option("context", context),
    ...option("confirm", confirm),
  ];
}

/**
 * @param {string} what a connection's target, whose name a program has chosen
 * @returns {string[]}
 */
export function explainWords(what) {
  return ["explain", what];
}

/**
 * @param {string} name
 * @param {string} value
 * @returns {string[]}
 */
export function option(name, value) {
  return value === "" ? [] : [`--${name}`, value];
}
