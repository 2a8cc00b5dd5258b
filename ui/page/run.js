// Runs a command line, and hands out what it says.

/**
 * @param {readonly string[]} words
 * @param {(text: string, isError: boolean) => void} onLine
 * @param {AbortSignal} signal interrupts the command, as Ctrl-C does
 * @returns {Promise<number>} its exit code
 */
export async function run(words, onLine, signal) {
  const response = await fetch("run", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ words }),
    signal,
  });
  if (!response.ok || !response.body) {
    const { message } = await response.json().catch(() => ({ message: "pmz ui has refused the command" }));
    onLine(`error: ${message}`, true);
    return 1;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the answer has ended before the command");
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const said = JSON.parse(line);
      if ("exit" in said) return said.exit;
      onLine(said.text, said.isError);
    }
  }
}
