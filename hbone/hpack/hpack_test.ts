import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import type { Entry } from "./dynamic_table.ts";
import type { Header } from "../frames/header.ts";
import { Decoder } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import { byteString, huffmanDecode, huffmanEncode, huffmanLength } from "./huffman.ts";

const LIMITS = { headerList: 32 * 1024, headerCount: 128 };

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function decoder(maxTableSize = 4096): Decoder {
  return new Decoder(maxTableSize, LIMITS);
}

const REQUESTS: Entry[][] = [
  [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "www.example.com"]],
  [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "www.example.com"], [
    "cache-control",
    "no-cache",
  ]],
  [[":method", "GET"], [":scheme", "https"], [":path", "/index.html"], [":authority", "www.example.com"], [
    "custom-key",
    "custom-value",
  ]],
];

const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES: Entry[][] = [
  [[":status", "302"], ["cache-control", "private"], ["date", "Mon, 21 Oct 2013 20:13:21 GMT"], [
    "location",
    "https://www.example.com",
  ]],
  [[":status", "307"], ["cache-control", "private"], ["date", "Mon, 21 Oct 2013 20:13:21 GMT"], [
    "location",
    "https://www.example.com",
  ]],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", COOKIE],
  ],
];

const C3 = [
  "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
  "8286 84be 5808 6e6f 2d63 6163 6865",
  "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
];
const C4 = [
  "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
  "8286 84be 5886 a8eb 1064 9cbf",
  "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];
const C5 = [
  `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
   546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
  "4803 3330 37c1 c0bf",
  `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
   6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
   2076 6572 7369 6f6e 3d31`,
];
const C6 = [
  `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
   8f0b 97c8 e9ae 82ae 43d3`,
  "4883 640e ffc1 c0bf",
  `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
   dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
];

Deno.test("decodes the single fields of RFC 7541 C.2", () => {
  const one = (text: string) => decoder().decode(hex(text)).headers;
  assert.deepEqual(one("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"), [
    ["custom-key", "custom-header"],
  ]);
  assert.deepEqual(one("040c 2f73 616d 706c 652f 7061 7468"), [[":path", "/sample/path"]]);
  assert.deepEqual(one("1008 7061 7373 776f 7264 0673 6563 7265 74"), [["password", "secret", true]]);
  assert.deepEqual(one("82"), [[":method", "GET"]]);
});

for (
  const [name, blocks, lists, size] of [
    ["C.3", C3, REQUESTS, 4096],
    ["C.4", C4, REQUESTS, 4096],
    ["C.5", C5, RESPONSES, 256],
    ["C.6", C6, RESPONSES, 256],
  ] as const
) {
  Deno.test(`decodes the sequence of RFC 7541 ${name}`, () => {
    const reader = decoder(size);
    blocks.forEach((block, i) => assert.deepEqual(reader.decode(hex(block)).headers, lists[i]));
  });
}

Deno.test("encodes the requests of RFC 7541 C.3 and C.4 byte for byte", () => {
  for (const [blocks, huffman] of [[C3, false], [C4, true]] as const) {
    const encoder = new Encoder({ index: "always", huffman });
    REQUESTS.forEach((list, i) => assert.deepEqual(encoder.encode(list).slice(), hex(blocks[i] ?? "")));
  }
});

Deno.test("a field that is marked as never-indexed stays so, and is never in a table", () => {
  const encoder = new Encoder({ index: "always", secret: new Set() });
  const reader = decoder();
  const list = [["x-token", "secret", true], ["x-token", "open"], ["cookie", "a=b"]] as const;
  for (let i = 0; i < 3; i++) assert.deepEqual(reader.decode(encoder.encode(list)).headers, list);
  assert.deepEqual(decoder().decode(new Encoder().encode([["cookie", "a=b"]])).headers, [[
    "cookie",
    "a=b",
    true,
  ]]);
});

Deno.test("what one end encodes the other decodes, whatever the table does", () => {
  const name = fc.constantFrom(
    "x-a",
    "x-b",
    ":authority",
    "cookie",
    "accept",
    "via",
    "x-long-name-of-a-header",
  );
  const value = fc.oneof(
    fc.constantFrom("", "a", "b", "10.0.0.1:80"),
    fc.string({
      unit: fc.integer({ min: 0x21, max: 0xff }).map((c) => String.fromCharCode(c)),
      maxLength: 600,
    }),
  );
  const field = fc.tuple(name, value, fc.boolean()).map(([name, value, isSecret]): Header =>
    isSecret ? [name, value, true] : [name, value]
  );
  const block = fc.array(field, { maxLength: 12 });
  const step = fc.record({ block, resize: fc.option(fc.integer({ min: 0, max: 6000 })) });
  fc.assert(fc.property(
    fc.array(step, { maxLength: 30 }),
    fc.constantFrom("repeated", "always", "never"),
    fc.boolean(),
    (steps, index, huffman) => {
      const encoder = new Encoder({ index, huffman, secret: new Set() });
      const reader = new Decoder(6000, LIMITS);
      for (const { block, resize } of steps) {
        if (resize !== null) encoder.setMaxTableSize(resize);
        assert.deepEqual(reader.decode(encoder.encode(block)).headers, block);
      }
    },
  ));
});

Deno.test("every byte survives Huffman coding, and its length is known before", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const text = byteString(bytes);
    const coded = new Uint8Array(huffmanLength(text));
    assert.equal(huffmanEncode(text, coded, 0), coded.length);
    assert.equal(huffmanDecode(coded, 0, coded.length), text);
  }));
  const all = byteString(Uint8Array.from({ length: 256 }, (_, i) => i));
  const coded = new Uint8Array(huffmanLength(all));
  huffmanEncode(all, coded, 0);
  assert.equal(huffmanDecode(coded, 0, coded.length), all);
});

Deno.test("a value that repeats is soon one byte, one that doesn't pushes nothing out", () => {
  const encoder = new Encoder();
  const encode = (value: string) => encoder.encode([[":authority", value]]).length;
  encode("echo.default.svc:80");
  encode("echo.default.svc:80");
  assert.equal(encode("echo.default.svc:80"), 1);
  for (let i = 0; i < 1000; i++) encode(`10.0.0.${i}:80`);
  assert.equal(encode("echo.default.svc:80"), 1);
});

Deno.test("what is no header block is a COMPRESSION_ERROR", () => {
  for (
    const block of [
      "80", // index 0
      "be", // an index beyond the table
      "40", // a field without a name
      "4085 ffff ffff ff01 61", // Huffman: EOS within
      "4081 0001 61", // Huffman: padding of zeros
      "4082 1fff 0161", // Huffman: padding of a whole byte
      "ff80 8080 8080 8001", // an integer without end
      "8220", // a size change after a field
      "3fff ff01", // a size beyond what was announced
      "0003 6161", // a string cut off
    ]
  ) {
    assert.throws(
      () => decoder().decode(hex(block)),
      (error) => error instanceof ConnectionError && error.code === ErrorCode.COMPRESSION_ERROR,
      block,
    );
  }
});

Deno.test("any bytes are a header block or a COMPRESSION_ERROR", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (blocks) => {
    const reader = decoder();
    for (const block of blocks) {
      try {
        reader.decode(block);
      } catch (error) {
        assert.ok(error instanceof ConnectionError && error.code === ErrorCode.COMPRESSION_ERROR);
        return;
      }
    }
  }));
});

Deno.test("a list beyond the limits is read to its end and not kept", () => {
  const reader = new Decoder(4096, { headerList: 200, headerCount: 3 });
  const encoder = new Encoder({ index: "always" });
  const many: Entry[] = Array.from({ length: 10 }, (_, i) => [`x-${i}`, "value"]);
  const first = reader.decode(encoder.encode(many));
  assert.equal(first.tooLarge, true);
  assert.equal(first.headers.length, 3);
  // The tables are still alike.
  const second = reader.decode(encoder.encode([["x-9", "value"]]));
  assert.deepEqual(second, { headers: [["x-9", "value"]], tooLarge: false, size: 40 });
});

Deno.test("names and values that HTTP/2 can't carry are refused before anything is sent", () => {
  const encoder = new Encoder();
  for (
    const [name, value] of [
      ["Upper", "a"],
      ["a b", "a"],
      ["", "a"],
      ["a:b", "a"],
      ["a", "x\ny"],
      ["a", "ü€"],
      ["a", " b"],
    ]
  ) {
    assert.throws(() => encoder.encode([[name ?? "", value ?? ""]]), TypeError, `${name}: ${value}`);
  }
});
