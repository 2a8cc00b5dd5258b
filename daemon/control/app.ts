import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { callsOf, type Controlled, failures, LONGEST_CONTROL_REQUEST } from "../../wire/control.ts";
import { describe } from "../control_error.ts";
import { Failure } from "../failure.ts";
import { streamProgress } from "./progress.ts";
import { readRequest } from "./request.ts";
import { streamValues } from "./stream.ts";

/** Called with unexpected errors: the answer has one line of each, the log has the rest. */
export type OnUnexpected = (error: unknown) => void;

/**
 * The control API as a hono application: a route for each row of the table in wire/control/calls.ts.
 * @param closing ends the answers that are streams
 */
export function controlApp(
  daemon: Controlled,
  closing: AbortSignal,
  onUnexpected: OnUnexpected = () => {},
): Hono {
  const app = new Hono();
  const failed = (error: unknown) => {
    const failure = describe(error);
    if (failure.code === "internal") onUnexpected(error);
    return Response.json(failure, { status: failures[failure.code].status });
  };
  app.use(bodyLimit({ maxSize: LONGEST_CONTROL_REQUEST, onError: () => failed(tooLong()) }));
  app.onError(failed);
  app.notFound((c) => failed(unknownCall(c)));
  for (const [name, { method, path }] of callsOf("once")) {
    app.on(method, path, async (c) => {
      const answer = await daemon[name](await readRequest(c, name));
      return answer === undefined ? c.body(null, 204) : Response.json(answer);
    });
  }
  for (const [name, { method, path }] of callsOf("progress")) {
    app.on(method, path, async (c) => {
      const request = await readRequest(c, name);
      return streamProgress<unknown>((report, signal) => daemon[name](request, report, signal), onUnexpected);
    });
  }
  for (const [name, { method, path }] of callsOf("stream")) {
    app.on(method, path, async (c) => {
      const request = await readRequest(c, name);
      return streamValues((signal) => daemon[name](request, signal), closing);
    });
  }
  return app;
}

function tooLong(): Failure {
  return new Failure("usage", `the request is longer than ${LONGEST_CONTROL_REQUEST >> 10} KiB`);
}

function unknownCall(c: Context): Failure {
  return new Failure("usage", `this daemon has no call ${c.req.method} ${c.req.path}`, {
    hint: "is it an older pmz? run: pmz down, then the command again",
  });
}
