import assert from "node:assert/strict";
import { LateSegmenter } from "./late_segmenter.ts";

Deno.test("a late segmenter segments as Intl's does", () => {
  for (const granularity of ["grapheme", "word", "sentence"] as const) {
    const [late, own] = [new LateSegmenter("en", { granularity }), new Intl.Segmenter("en", { granularity })];
    const text = "Zwei 👩‍👩‍👧 ne\u0301e. One more.";
    assert.deepEqual([...late.segment(text)], [...own.segment(text)]);
    assert.deepEqual(late.resolvedOptions(), own.resolvedOptions());
  }
  assert.deepEqual(LateSegmenter.supportedLocalesOf(["en"]), ["en"]);
});
