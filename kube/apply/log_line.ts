/** What a container's log line says, for people: of a JSON object its message and error, of any other line the line itself. */
export function formatLogLine(line: string): string {
  if (!line.startsWith("{")) return line;
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== "object" || parsed === null) return line;
    const said = ["message", "error"].map((name): unknown => Reflect.get(parsed, name));
    const texts = said.filter((text): text is string => typeof text === "string" && text !== "");
    return texts.length > 0 ? texts.join(": ") : line;
  } catch {
    return line; // not JSON
  }
}
