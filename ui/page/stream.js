// The page's stream of events: open while the page is visible, so that a page in the background costs nothing.

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * @param {Record<string, (data: any) => void>} listeners what to do with each event's data; `end` ends the stream for good
 * @param {() => void} onBroken called when the server doesn't answer; it is tried again
 * @returns {{ resume(): void }} `resume` opens a stream that has ended
 */
export function follow(listeners, onBroken) {
  /** @type {EventSource | undefined} */
  let source;
  let isOver = false, pause = FIRST_PAUSE_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;
  const close = () => {
    clearTimeout(retry);
    source?.close();
    source = undefined;
  };
  const open = () => {
    close();
    if (isOver || document.hidden) return;
    const mine = source = new EventSource("events");
    for (const [name, listener] of Object.entries(listeners)) {
      mine.addEventListener(name, (event) => {
        pause = FIRST_PAUSE_MS;
        if (name === "end") {
          isOver = true;
          close();
        }
        listener(JSON.parse(event.data));
      });
    }
    mine.addEventListener("error", () => {
      if (source !== mine) return;
      close();
      onBroken();
      retry = setTimeout(open, pause);
      pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
    });
  };
  document.addEventListener("visibilitychange", open);
  open();
  return {
    resume() {
      isOver = false;
      open();
    },
  };
}
