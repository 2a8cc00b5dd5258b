// The single file: this launcher, the packed files one after the other (each deflated by itself), the index,
// the trailer. build/pack.ts writes it; numbers are little-endian.
#ifndef PMZ_PACK_H
#define PMZ_PACK_H

#include <stddef.h>
#include <stdint.h>

#define PACK_MAGIC "PMZPACK1"
#define DIGEST_SIZE 64

struct entry {
	char name[104];		     // relative, with slashes; ends with a zero
	uint64_t offset;	     // in the single file
	uint64_t stored;	     // bytes there
	uint64_t size;		     // bytes unpacked
	uint8_t digest[DIGEST_SIZE]; // BLAKE2b of what is unpacked
};

struct trailer {
	uint64_t index;		     // offset of the first entry
	uint64_t count;		     // entries
	uint8_t digest[DIGEST_SIZE]; // BLAKE2b of the index
	char magic[8];
};

struct pack {
	const uint8_t *bytes;
	size_t size;
	const struct entry *entries;
	size_t count;
	char key[33]; // names what is in it: the folder that it is unpacked into
};

// One program, "deno", is run; it must be the first entry.
#define PROGRAM 0

void blake2b(uint8_t digest[DIGEST_SIZE], const void *bytes, size_t size);

// Ends the process, saying what was tried, why it failed (errno, where it is set) and what to do.
_Noreturn void die(const char *remedy, const char *format, ...) __attribute__((format(printf, 2, 3)));

void open_pack(struct pack *pack, const char *self);

// The descriptor of the folder that has the pack unpacked; its path goes to `path`. What is not there is
// made.
int unpacked(const struct pack *pack, const char *base, char path[4096]);

// The program's descriptor, in a folder that `unpacked` opened. With `thorough` every file's digest is
// checked.
int checked_program(const struct pack *pack, int folder, int thorough);

// 0 where the folder has all files, of the right owner, mode and size.
int complete(const struct pack *pack, int folder);

#endif
