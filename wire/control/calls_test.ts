import assert from "node:assert/strict";
import { sentRequest } from "./calls.ts";

Deno.test("fields that the path names go into it, and a DELETE without others has no body", () => {
  assert.deepEqual(sentRequest("removeName", { domain: "*.shop.example" }), {
    method: "DELETE",
    path: "/names/*.shop.example",
  });
  assert.equal(
    sentRequest("leave", { id: "echo.default:80@a/b?c" }).path,
    "/intercepts/echo.default%3A80%40a%2Fb%3Fc",
  );
});

Deno.test("a GET has neither a body nor, without fields, a query", () => {
  assert.deepEqual(sentRequest("status"), { method: "GET", path: "/status" });
});

Deno.test("the fields of other calls are a body of JSON", () => {
  assert.deepEqual(sentRequest("plan", { mode: "proxy" }), {
    method: "POST",
    path: "/plan",
    body: '{"mode":"proxy"}',
  });
  assert.equal(sentRequest("removeAgent", { components: ["node"] }).body, '{"components":["node"]}');
  assert.equal(sentRequest("down", {}).body, "{}");
});
