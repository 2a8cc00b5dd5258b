import assert from "node:assert/strict";
import { newToken, whyRefused } from "./guard.ts";

const token = newToken();
const authority = "127.0.0.1:4600";

/** Why a request is refused, which is the page's own but for what is given. */
function why(
  { method = "GET", path = `/${token}/services`, ...headers }: Record<string, string> = {},
): string | undefined {
  const own: Record<string, string> = { host: authority, "sec-fetch-site": "same-origin" };
  if (method === "POST") {
    Object.assign(own, { origin: `http://${authority}`, "content-type": "application/json" });
  }
  const all = Object.entries({ ...own, ...headers }).filter(([, value]) => value !== "");
  return whyRefused({ method, url: `http://${authority}${path}`, headers: new Headers(all) }, {
    authority,
    token,
  });
}

Deno.test("the page itself is answered, read or asked to run a command", () => {
  assert.equal(why(), undefined);
  assert.equal(why({ method: "POST" }), undefined);
  assert.equal(why({ "sec-fetch-site": "none" }), undefined); // its address was typed, or opened by pmz
  assert.equal(why({ "sec-fetch-site": "" }), undefined); // no browser
});

Deno.test("a name that was made to lead to this machine is refused (DNS rebinding)", () => {
  for (
    const host of ["evil.example:4600", "localhost:4600", "127.0.0.1", "127.0.0.1:4601", "[::1]:4600", ""]
  ) {
    assert.match(why({ host }) ?? "", /Host/, host);
  }
});

Deno.test("without the token there is nothing, whatever looks like it", () => {
  for (
    const path of [
      "/",
      "/services",
      `/${token.slice(1)}/`,
      `/${token}x/`,
      `//${token}/`,
      "/../",
      `/%00${token}/`,
    ]
  ) {
    assert.match(why({ path }) ?? "", /token/, path);
  }
});

Deno.test("pages of other origins are refused, those of this machine's other ports too", () => {
  for (const origin of ["https://evil.example", "http://127.0.0.1:8080", "http://localhost:4600", "null"]) {
    assert.match(why({ origin }) ?? "", /Origin/, origin);
    assert.match(why({ method: "POST", origin }) ?? "", /Origin/, origin);
  }
  assert.match(why({ method: "POST", origin: "" }) ?? "", /Origin/);
});

Deno.test("what a browser says another page has asked for is refused", () => {
  for (const site of ["cross-site", "same-site"]) {
    assert.match(why({ "sec-fetch-site": site }) ?? "", /another page/, site);
    assert.match(why({ method: "POST", "sec-fetch-site": site }) ?? "", /another page/, site);
  }
  assert.match(why({ method: "POST", "sec-fetch-site": "none" }) ?? "", /another page/);
});

Deno.test("what a form can send is no command", () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]) {
    assert.match(why({ method: "POST", "content-type": type }) ?? "", /JSON/, type);
  }
});

Deno.test("tokens differ, and stand in a URL as they are", () => {
  const tokens = Array.from({ length: 100 }, newToken);
  assert.equal(new Set(tokens).size, 100);
  for (const one of tokens) assert.match(one, /^[A-Za-z0-9_-]{43}$/);
});
