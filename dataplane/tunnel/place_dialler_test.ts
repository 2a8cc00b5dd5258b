import assert from "node:assert/strict";
import { ApiError } from "../../kube/client/api_error.ts";
import type { Transport } from "../../net/transport.ts";
import type { AgentPlace, DialFailure } from "../protocol.ts";
import { placeDialler } from "./place_dialler.ts";

const access = { tls: true, hostname: "api", port: 443, pathPrefix: "", caCerts: [], headers: {} };
const place: AgentPlace = { access, namespace: "pmz", pod: "gateway-1", port: 1 };

Deno.test("the next question for the place says why the last dial didn't get past the API server", async () => {
  const transport: Transport = {
    read: () => Promise.resolve(null),
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  };
  const errors = [
    new ApiError("expired", { status: 401, reason: "Unauthorized" }),
    new Error("both lanes failed", { cause: new ApiError("gone", { status: 0, reason: "Unreachable" }) }),
    new ApiError("no such pod", { status: 404, reason: "NotFound" }),
  ];
  const asked: (DialFailure | undefined)[] = [];
  const dial = placeDialler(() => {
    const error = errors.shift();
    return error ? Promise.reject(error) : Promise.resolve(transport);
  });
  const once = () =>
    dial(({ after }) => {
      asked.push(after);
      return Promise.resolve(place);
    }, new AbortController().signal);
  for (const _ of [1, 2, 3]) await assert.rejects(once());
  assert.equal(await once(), transport);
  assert.deepEqual(asked, [undefined, "unauthorized", "unreachable", undefined]);
});
