/**
 * Writes a file that only its owner may read, as a whole or not at all: a reader sees the old content or the new one. A link at
 * its path is replaced, not followed.
 */
export async function writePrivately(path: string, text: string): Promise<void> {
  const born = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await Deno.writeTextFile(born, text, { createNew: true, mode: 0o600 });
    await Deno.rename(born, path);
  } catch (error) {
    await Deno.remove(born).catch(() => {});
    throw error;
  }
}
