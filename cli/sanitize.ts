/**
 * Whatever a terminal would act on, or not show: controls and escapes (Cc), format characters such as those that turn
 * the direction of text (Cf), line and paragraph separators (Zl, Zp), lone surrogates (Cs), private use (Co), and
 * what has no glyph by default (DI: fillers, variation selectors).
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{DI}]/gu;

/** Characters of one text from outside; the rest is cut. */
export const LONGEST_TEXT = 4096;

/**
 * Text from outside (the cluster, the daemon, the command line), made fit for one line of a terminal: white space
 * becomes a space, whatever else doesn't print is spelt out as \u{1b}, and very long text is cut.
 * Cleaning twice is the same as once.
 */
export function clean(text: string, longest: number = LONGEST_TEXT): string {
  const line = text.slice(0, 2 * longest).replace(/\r\n|[\t\r\n\v\f\u2028\u2029]/g, " ").replace(
    UNPRINTABLE,
    spell,
  );
  const characters = Array.from(line);
  return characters.length <= longest ? line : `${characters.slice(0, longest - 1).join("")}…`;
}

/** `value` as JSON in which nothing reaches a terminal that it would act on: such characters stand as \uXXXX. */
export function cleanJson(value: unknown, layout: "indented" | "line" = "indented"): string {
  const json = JSON.stringify(value, null, layout === "line" ? 0 : 2);
  return json.replace(UNPRINTABLE, (character) => {
    if (character === "\n") return character; // of the layout: within strings JSON has it as \n
    return Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join("");
  });
}

function spell(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
