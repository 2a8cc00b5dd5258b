#!/bin/sh
# Like the stock image's: options and Deno's commands go to deno, anything else is run as it is.
set -e
case ${1:-} in
-* | add | bench | bundle | cache | compile | completions | coverage | doc | eval | fmt | help | init | info | install | \
	jupyter | lint | lsp | publish | remove | repl | run | serve | task | test | types | uninstall | upgrade | vendor)
	exec deno "$@"
	;;
esac
exec "$@"
