# shellcheck shell=sh disable=SC2154 # get.sh sets $deno and $tools
# Formatting, lint, types: each goes on when another has failed, so that one run tells all.

check_all() {
	failed=
	output=$tools/.check.$$.log
	step "deno fmt" "$deno" fmt --check -q
	step "deno lint" "$deno" lint -q
	step "deno check" "$deno" check -q --frozen
	step "page" "$deno" check -q --no-lock --config ui/page_types.json ui/page/*.js # a browser's types, not Deno's
	step "shellcheck" check_shell
	step "clang-format" check_c
	rm -f "$output"
	[ -z "$failed" ] || fail "failed:$failed. './dev fix' does what can be done by itself"
	say "all checks passed"
}

step() { # NAME CMD...
	name=$1
	shift
	begun=$(date +%s%N)
	if "$@" >"$output" 2>&1; then
		outcome=ok
	else
		outcome=FAILED
		failed="$failed $(echo "$name" | tr ' ' '-')"
	fi
	printf '%-14s %s (%s ms)\n' "$name" "$outcome" $((($(date +%s%N) - begun) / 1000000))
	[ "$outcome" = ok ] || sed 's/^/    /' "$output"
}

# Files under version control and new ones, but none that git ignores.
files() { git -c core.quotepath=off ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ ! -f "$file" ] || echo "$file"; done; }
c_files() { files 'bpf/*.c' 'bpf/*.h' 'build/*.c'; }
shell_files() {
	files 'tools/*' '*.sh'
	files dev .ci tests/cluster | while read -r file; do head -n 1 "$file" | grep -q '^#!/bin/\(ba\)\?sh' && echo "$file"; done
}

check_shell() { shell_files | sort -u | xargs -r shellcheck; }
check_c() { c_files | xargs -r "clang-format-$CLANG_VERSION" --dry-run -Werror; }
