import assert from "node:assert/strict";
import { Listing } from "./listing.ts";

Deno.test("a listing is told by its counts, kind by kind, and with what fails first", () => {
  const said: string[] = [];
  const listing = new Listing(["services", "pods"], (text) => void said.push(text));
  listing.page("services", 500, 10_000);
  listing.page("pods", 500, undefined);
  listing.failed("pods", "HTTP 503");
  listing.page("services", 10_000, 10_000);
  listing.page("pods", 1_234_567, 1_234_567);
  assert.deepEqual(said, [
    "500 of 10,000 services, 0 pods",
    "500 of 10,000 services, 500 pods",
    "pods are asked for again: HTTP 503; 500 of 10,000 services, 500 pods",
    "pods are asked for again: HTTP 503; 10,000 services, 500 pods",
    "10,000 services, 1,234,567 pods",
  ]);
});
