/** The version of glibc, as in "2.36"; undefined where the C library is another one. */
export function glibcVersion(): string | undefined {
  try {
    const library = Deno.dlopen("libc.so.6", { gnu_get_libc_version: { parameters: [], result: "pointer" } });
    const text = library.symbols.gnu_get_libc_version();
    return text === null ? undefined : Deno.UnsafePointerView.getCString(text);
  } catch {
    return undefined; // no such library, or one without such a function
  }
}
