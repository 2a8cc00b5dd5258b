/** The clocks that are compared, in milliseconds: one runs while the machine sleeps, the other stops (`man 7 time`). */
export interface Clocks {
  wall(): number;
  awake(): number;
}

const CLOCKS: Clocks = { wall: () => Date.now(), awake: () => performance.now() };

/**
 * Calls `woken` when the machine has slept for more than a few seconds; or when the clock was set, which does no
 * harm. Connections may have died unseen then, and timers have stood still.
 */
export function watchSleep(
  woken: () => void,
  { clocks = CLOCKS, everyMs = 2_000, leastMs = 5_000 } = {},
): Disposable {
  const ahead = () => clocks.wall() - clocks.awake();
  let before = ahead();
  const timer = setInterval(() => {
    const now = ahead();
    if (now - before > leastMs) woken();
    before = now;
  }, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
