import assert from "node:assert/strict";
import fc from "fast-check";
import { leavingOut, LEFT_OUT } from "./secrets.ts";

const leaveOut = leavingOut();

Deno.test("what looks like a secret is left out, and what it belongs to stays", () => {
  for (
    const [text, left] of [
      [
        "no answer from http://jo:canary@proxy.example:3128/",
        /^no answer from http:\/\/\[left out\]@proxy\.example/,
      ],
      ["socks5://jo:p@ss/canary@proxy.example refused", /^socks5:\/\/\[left out\]@proxy\.example refused$/],
      [
        "GET https://a.example/login?code=canary failed",
        /^GET https:\/\/a\.example\/login\?\[left out\] failed$/,
      ],
      ["sent Authorization: Bearer canary.x-y", /^sent Authorization: \[left out\]/],
      ["sent bearer canary", /^sent bearer \[left out\]$/],
      ['{"token":"can\\"ary canary","kind":"pod"}', /^\{"token":\[left out\],"kind":"pod"\}$/],
      ["DB_PASSWORD='canary canary' is set", /^DB_PASSWORD=\[left out\] is set$/],
      ["client-key-data: Y2FuYXJ5", /^client-key-data: \[left out\]$/],
      ["login --client-secret canary --scope a", /^login --client-secret \[left out\] --scope a$/],
      ["got eyJhbGciOiJSUzI1NiJ9.canary.canary from it", /^got \[left out\] from it$/],
      ["-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\nafter", /^\[left out\]\nafter$/],
      ["-----BEGIN CERTIFICATE-----\ncanary, cut", /^\[left out\]$/],
      ["AKIA0CANARY0CANARY0", /^\[left out\]$/],
      ["key x9Kq2Wm4Lp7Rt1Yb3Nc5Vd8Zs6Xf0Gh is wrong", /^key \[left out\] is wrong$/],
    ] as const
  ) {
    const got = leaveOut(text);
    assert.match(got, left);
    assert.doesNotMatch(got, /canary/i, text);
  }
});

Deno.test("what names, addresses and digests look like stays", () => {
  for (
    const text of [
      'secrets is forbidden: User "jo" can\'t list secrets in namespace default',
      "node (4312) -> payments.default.svc:8080: refused by the gateway: no ready endpoint",
      "a-very-long-deployment-name-with-digits-5d9f7c6b8b-x2k4p",
      "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      "https://192.0.2.1:6443 doesn't answer",
      "[fd00::1]:443, 10.96.0.10:53",
    ]
  ) assert.equal(leaveOut(text), text);
});

Deno.test("a known value is left out wherever it stands and however it is spelt", () => {
  const secret = fc.string({ minLength: 6, unit: "grapheme" }).filter((text) => text.trim().length >= 6);
  fc.assert(fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
    const leave = leavingOut([value]);
    for (
      const spelt of [
        value.trim(),
        JSON.stringify(value.trim()).slice(1, -1),
        encodeURIComponent(value.trim()),
      ]
    ) {
      fc.pre(!`${before}${LEFT_OUT}${after}`.includes(spelt));
      assert.ok(!leave(`${before}${spelt}${after}`).includes(spelt));
    }
  }));
});

Deno.test("any text can be read, also a long one that repeats the beginning of a secret", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
    assert.equal(typeof leaveOut(text), "string");
  }));
  for (
    const unit of ["http://", "token=", "-----BEGIN A-----", "a-", "eyJaaaa.", "'", '\\"', "@", "bearer "]
  ) {
    assert.equal(typeof leaveOut(unit.repeat(16_000 / unit.length)), "string");
  }
});
