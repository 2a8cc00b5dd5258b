#!/bin/sh
# The .env files that pmz writes (cli/dotenv.ts) are read by npm's dotenv (VS Code), python-dotenv and Docker Compose's parser:
# each gives the values that were written, but for those that pmz names as unsure, which Compose alone reads right.
# Needs node, npm, python3 with pip, and go.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >write.ts <<END
import fc from "npm:fast-check@4";
import { dotenv } from "$here/cli/dotenv.ts";
const atoms = [..."aB0 \n\t'\"\\\\\${}()#=\`\réfn/&;!%~", "\$HOME", "\${HOME}", "\\\\n"];
const values = fc.sample(fc.array(fc.constantFrom(...atoms), { maxLength: 8 }).map((all) => all.join("")), 3000);
const pairs = values.map((value, i): [string, string] => ["V" + i, value]);
const { text, unsure, leftOut } = dotenv(pairs);
const sure = pairs.filter(([name]) => !unsure.includes(name) && !leftOut.includes(name));
Deno.writeTextFileSync("$work/all.env", text);
Deno.writeTextFileSync("$work/sure.json", JSON.stringify(Object.fromEntries(sure)));
Deno.writeTextFileSync("$work/all.json", JSON.stringify(Object.fromEntries(pairs.filter(([name]) => !leftOut.includes(name)))));
END
"$here/dev" deno run -A --no-config "$work/write.ts"

npm install --silent dotenv@17
cat >read.js <<'END'
const fs = require("fs");
const got = require("dotenv").parse(fs.readFileSync("all.env"));
const wrong = Object.entries(JSON.parse(fs.readFileSync("sure.json"))).filter(([name, value]) => got[name] !== value);
if (wrong.length > 0) { console.error("npm's dotenv", wrong.slice(0, 5)); process.exit(1); }
END
node read.js

pip install --quiet --root-user-action=ignore --target py 'python-dotenv>=1,<2'
HOME=/other PYTHONPATH=py python3 - <<'END'
import dotenv, json, sys
got = dotenv.dotenv_values("all.env")
wrong = [(name, value, got.get(name)) for name, value in json.load(open("sure.json")).items() if got.get(name) != value]
if wrong: sys.exit("python-dotenv: %s" % wrong[:5])
END

mkdir compose && cd compose
cat >main.go <<'END'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

func main() {
	var all map[string]string
	text, _ := os.ReadFile("../all.json")
	if err := json.Unmarshal(text, &all); err != nil {
		panic(err)
	}
	got, err := dotenv.Read("../all.env")
	if err != nil {
		panic(err)
	}
	for name, value := range all {
		if got[name] != value {
			fmt.Printf("compose-go: %s is %q, not %q\n", name, got[name], value)
			os.Exit(1)
		}
	}
}
END
go mod init compose >/dev/null 2>&1
go get github.com/compose-spec/compose-go/v2@v2 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go run .
echo "all three read what was written"
