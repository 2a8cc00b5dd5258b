/**
 * Opens a URL in the user's browser. Its program has the URL among its arguments, which other accounts may read: the page's server
 * refuses these whatever they know.
 * @returns false where there is no desktop, or nothing that opens URLs
 */
export function openBrowser(url: string, env: { get(name: string): string | undefined }): boolean {
  if (!env.get("DISPLAY") && !env.get("WAYLAND_DISPLAY")) return false;
  try {
    const opener = new Deno.Command("xdg-open", {
      args: [url],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    opener.unref();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
