/** Reports the progress of long work to its caller. */
export interface Reporter {
  /**
   * Runs one step of the work; reports its start, its end and how long it took. A step that throws ends the work.
   * @param done a short text about the result, shown behind the step's name
   */
  step<T>(
    name: string,
    work: (detail: (text: string) => void) => Promise<T>,
    done?: (result: T) => string | undefined,
  ): Promise<T>;
  /** Reports something that the user should know and that doesn't end the work. */
  warn(message: string, hint?: string): void;
}
