import type { Context } from "hono";
import { NotValid } from "../../wire/schema.ts";
import { type Call, type CallName, calls } from "../../wire/control.ts";
import { Failure } from "../failure.ts";

/**
 * The request of a call, parsed: fields from the path, then those of the query or the body.
 * Its type is `never`, which any method of the daemon takes; the schema of the call's row makes it the right one.
 * @throws {Failure} `usage`: it names the field that isn't valid.
 */
export async function readRequest(c: Context, name: CallName): Promise<never> {
  const { method, request }: Call = calls[name];
  const raw = method === "GET" ? c.req.query() : await body(c);
  const inPath = c.req.param();
  try {
    return request.parse(isObject(raw) ? { ...raw, ...inPath } : raw, "") as never;
  } catch (error) {
    if (error instanceof NotValid) throw new Failure("usage", error.message);
    throw error;
  }
}

/** The JSON of the request's body; without one, no fields. */
async function body(c: Context): Promise<unknown> {
  const text = await c.req.text();
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Failure("usage", "the request is not valid JSON", { cause });
  }
}

function isObject(raw: unknown): raw is object {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}
