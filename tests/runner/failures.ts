/** The most files that are run again: more of them have a common cause. */
const most = 3;

const failure = /^.+ => (?:\.\/)?(\S+_test\.tsx?):\d+:\d+$/;
const uncaught = /^(?:\.\/)?(\S+_test\.tsx?) \(uncaught error\)$/;

/**
 * The test files with failures, by the list that `deno test` prints before its closing line.
 *
 * @param said all that it printed
 * @returns relative paths, each once
 */
export function failedFiles(said: string): string[] {
  const [, list = ""] = /^ ?FAILURES ?$([\s\S]*)/m.exec(plain(said)) ?? [];
  const files = list.split("\n").map((line) => (failure.exec(line) ?? uncaught.exec(line))?.[1]);
  return [...new Set(files.filter((file) => file !== undefined))];
}

/** Whether the failed files of a phase are worth a second run. */
export function mayRunAgain(files: readonly string[]): boolean {
  return files.length > 0 && files.length <= most;
}

function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[[0-9;]*m/g, "");
}
