import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { CliParts } from "../cli/parts.ts";
import { list, NotValid, object, text } from "../wire/schema.ts";
import { cleaned } from "./cleaned.ts";
import { noticeOf } from "./daemon_source.ts";
import type { EventStreams } from "./event_stream.ts";
import { type Admission, whyRefused } from "./guard.ts";
import type { Live } from "./live.ts";
import { isOffered } from "./offered.ts";
import { pageFile, pageHeaders } from "./page_files.ts";
import { streamCommand } from "./run_command.ts";
import { servicesView } from "./view.ts";

/** Bytes of a request's body. */
const LONGEST_REQUEST = 64 * 1024;
/** Commands of the page that run at once. */
const MOST_COMMANDS = 4;

const commandRequest = object({ words: list(text(4096), 64) });

export interface AppParts {
  readonly admission: Admission;
  /** Whether a request comes from a program of the user's own account. */
  isOwn(request: Request): Promise<boolean>;
  readonly live: Live;
  readonly streams: EventStreams;
  /** What commands are made of. */
  readonly parts: CliParts;
  /** Interrupts commands. */
  readonly closing: AbortSignal;
}

/** The page's server as a hono application; everything is below the token. */
export function pageApp({ admission, isOwn, live, streams, parts, closing }: AppParts): Hono {
  const app = new Hono();
  let commands = 0;
  app.use(async (c, next) => {
    const why = await isOwn(c.req.raw) ? whyRefused(c.req.raw, admission) : "this page is another account's";
    if (why === undefined) await next();
    else c.res = new Response(`refused: ${why}\n`, { status: 403 });
    for (const [name, value] of Object.entries(pageHeaders)) c.res.headers.set(name, value);
  });
  app.onError((error, c) => {
    const isWrong = error instanceof NotValid || error instanceof SyntaxError;
    return c.json(cleaned(noticeOf(error)), isWrong ? 400 : 502);
  });
  const tooLong = { message: `the request is longer than ${LONGEST_REQUEST >> 10} KiB` };
  const limited = bodyLimit({ maxSize: LONGEST_REQUEST, onError: (c) => c.json(tooLong, 413) });
  const page = app.basePath("/:token");
  page.get("/events", () => streams.add((signal) => live.events(signal)));
  page.get(
    "/services",
    async (c) => c.json(cleaned(servicesView(await live.services(), c.req.query("filter") ?? ""))),
  );
  page.post("/run", limited, async (c) => {
    const { words } = commandRequest.parse(await c.req.json(), "");
    if (!isOffered(words)) return c.json({ message: "the page doesn't run this command" }, 400);
    if (commands >= MOST_COMMANDS) return c.json({ message: "other commands still run: wait for them" }, 429);
    commands++;
    return streamCommand(words, parts, closing, () => {
      commands--;
      live.refresh();
    });
  });
  const file = async (c: Context, name: string) =>
    await pageFile(name) ?? c.text("there is no such page\n", 404);
  app.get("/:token/", (c) => file(c, "index.html"));
  page.get("/:file", (c) => file(c, c.req.param("file")));
  return app;
}
