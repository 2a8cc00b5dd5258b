import { type Flow, formatFlow } from "../wire/flow.ts";
import { formatBytes, formatDuration } from "./terminal.ts";

/** When a flow ended: "2 min ago"; "open 3 s" as long as it's open. */
export function formatWhen({ started, ms }: Flow, now: number): string {
  const since = Math.max(0, now - Date.parse(started));
  return ms === undefined
    ? `open ${formatDuration(since)}`
    : `${formatDuration(Math.max(0, since - ms))} ago`;
}

/** A flow in words, with its bytes: those of a failed one only where there were any. */
export function flowWords(flow: Flow): string {
  const { ms, outcome } = flow;
  const took = outcome.kind === "done" && ms !== undefined ? ` in ${formatDuration(ms)}` : "";
  const carried = carriedWords(flow);
  return `${formatFlow(flow)}${took}${carried === "" ? "" : `; ${carried}`}`;
}

/** "1.2 KiB sent, 4.8 MiB received; 2 datagrams dropped"; nothing of a failed one that carried none. */
export function carriedWords({ sent, received, dropped = 0, outcome }: Flow): string {
  const bytes = `${formatBytes(sent)} sent, ${formatBytes(received)} received`;
  const isCarried = sent + received > 0 || outcome.kind === "open" || outcome.kind === "done";
  const lost = dropped === 0 ? [] : [`${dropped} ${dropped === 1 ? "datagram" : "datagrams"} dropped`];
  return [...(isCarried ? [bytes] : []), ...lost].join("; ");
}
