import type { LogNews } from "../../wire/log_line.ts";

/** What a test's logs say. */
export async function* logNews(): AsyncGenerator<LogNews> {
  await Promise.resolve();
  yield {
    unread: {
      source: "relay of node-agent-7xk2p",
      why: "Can't read the log of relay of node-agent-7xk2p: forbidden",
    },
  };
  yield {
    unread: { source: "helper", why: "its log is root's", remedy: "sudo cat /run/pmz/1000/helper.log" },
  };
  yield {
    line: {
      time: "2026-01-01T11:58:00.000Z",
      source: "daemon",
      level: "info",
      message: "tunnel is up",
      fields: { cluster: "dev", ms: 12 },
    },
  };
  yield {
    line: {
      time: "2026-01-01T11:59:00.000Z",
      source: "gateway",
      pod: "gateway-5d9f",
      level: "warn",
      message: "refused a connection",
      fields: { flow: "a-1", error: "no ready \x1b[31mendpoint" },
    },
  };
}
