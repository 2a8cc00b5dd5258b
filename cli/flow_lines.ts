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
  const { sent, received, dropped = 0, ms, outcome } = flow;
  const took = outcome.kind === "done" && ms !== undefined ? ` in ${formatDuration(ms)}` : "";
  const bytes = `${formatBytes(sent)} sent, ${formatBytes(received)} received`;
  const carried = sent + received > 0 || outcome.kind === "open" || outcome.kind === "done";
  const lost = dropped === 0 ? "" : `; ${dropped} ${dropped === 1 ? "datagram" : "datagrams"} dropped`;
  return `${formatFlow(flow)}${took}${carried ? `; ${bytes}` : ""}${lost}`;
}
