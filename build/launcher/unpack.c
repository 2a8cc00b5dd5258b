// Opens the pack, unpacks it once for each user, and sees whether what is unpacked is still what was packed.
#define _GNU_SOURCE
#include "pack.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define UNUSED_FOR (24 * 60 * 60) // seconds after which another version's folder goes

static const char damaged[] = "this file is damaged: get it again";

void open_pack(struct pack *pack, const char *self) {
	struct stat status;
	struct trailer trailer;
	uint8_t digest[DIGEST_SIZE];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		die("pmz needs /proc, and to be readable by who runs it", "can't read %s", self);
	pack->size = status.st_size;
	pack->bytes = mmap(NULL, pack->size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (pack->bytes == MAP_FAILED)
		die("is there memory?", "can't map %s", self);
	errno = 0;
	if (pack->size < sizeof trailer)
		die(damaged, "%s has no program", self);
	memcpy(&trailer, pack->bytes + pack->size - sizeof trailer, sizeof trailer);
	if (memcmp(trailer.magic, PACK_MAGIC, sizeof trailer.magic) || trailer.count < 1 ||
	    trailer.count > 10000 || trailer.index % _Alignof(struct entry) ||
	    trailer.index + trailer.count * sizeof(struct entry) + sizeof trailer != pack->size)
		die(damaged, "%s has no program", self);
	pack->entries = (const struct entry *)(pack->bytes + trailer.index);
	pack->count = trailer.count;
	blake2b(digest, pack->entries, pack->count * sizeof(struct entry));
	if (memcmp(digest, trailer.digest, DIGEST_SIZE))
		die(damaged, "%s is not what it was built as", self);
	for (int i = 0; i < 16; i++)
		sprintf(pack->key + 2 * i, "%02x", digest[i]);
}

// Opens a folder that must be the user's own, makes it where it is missing.
static int own_folder(int parent, const char *name) {
	struct stat status;
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -1;
	int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0 || fstat(folder, &status) < 0)
		return -1;
	if (status.st_uid == geteuid() && !(status.st_mode & 022))
		return folder;
	close(folder);
	errno = EPERM;
	return -1;
}

static int open_entry(const struct entry *entry, int folder) {
	struct stat status;
	int file = openat(folder, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		return -1;
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
	    !(status.st_mode & 077) && (uint64_t)status.st_size == entry->size)
		return file;
	close(file);
	return -1;
}

int complete(const struct pack *pack, int folder) {
	for (size_t i = 0; i < pack->count; i++) {
		int file = open_entry(&pack->entries[i], folder);
		if (file < 0)
			return -1;
		close(file);
	}
	return 0;
}

static int same_digest(const struct entry *entry, int file) {
	uint8_t digest[DIGEST_SIZE];
	void *bytes =
	    entry->size ? mmap(NULL, entry->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0) : NULL;
	if (bytes == MAP_FAILED)
		return 0;
	blake2b(digest, bytes, entry->size);
	if (bytes)
		munmap(bytes, entry->size);
	return !memcmp(digest, entry->digest, DIGEST_SIZE);
}

int checked_program(const struct pack *pack, int folder, int thorough) {
	int program = -1;
	for (size_t i = 0; i < pack->count; i++) {
		const struct entry *entry = &pack->entries[i];
		int file = open_entry(entry, folder);
		if (file < 0 || (thorough && !same_digest(entry, file)))
			return -1;
		if (i == PROGRAM)
			program = file;
		else
			close(file);
	}
	return program;
}

static int inflate_to(const struct pack *pack, const struct entry *entry, int file) {
	static uint8_t chunk[1 << 18];
	z_stream stream = {0};
	int step = Z_OK;
	if (entry->offset > pack->size || entry->stored > pack->size - entry->offset ||
	    inflateInit2(&stream, -15) != Z_OK)
		return -1;
	stream.next_in = (Bytef *)pack->bytes + entry->offset;
	stream.avail_in = entry->stored;
	for (uint64_t total = 0; step == Z_OK && total <= entry->size;) {
		stream.next_out = chunk;
		stream.avail_out = sizeof chunk;
		step = inflate(&stream, Z_NO_FLUSH);
		size_t got = sizeof chunk - stream.avail_out;
		total += got;
		for (size_t written = 0; written < got;) {
			ssize_t count = write(file, chunk + written, got - written);
			if (count < 0 && errno == EINTR)
				continue;
			if (count <= 0)
				return inflateEnd(&stream), -1;
			written += count;
		}
	}
	inflateEnd(&stream);
	return step == Z_STREAM_END ? 0 : -1;
}

static int unpack_entry(const struct pack *pack, const struct entry *entry, int folder) {
	char parent[sizeof entry->name];
	errno = 0;
	if (entry->name[0] == '/' || strstr(entry->name, "..") || !memchr(entry->name, 0, sizeof entry->name))
		return -1;
	for (const char *slash = entry->name; (slash = strchr(slash, '/')); slash++) {
		memcpy(parent, entry->name, slash - entry->name);
		parent[slash - entry->name] = 0;
		if (mkdirat(folder, parent, 0700) < 0 && errno != EEXIST)
			return -1;
	}
	mode_t mode = entry == &pack->entries[PROGRAM] ? 0500 : 0400;
	int file = openat(folder, entry->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (file < 0)
		return -1;
	errno = 0;
	// Or a lost machine could leave files of the right size that are empty.
	int good = fchmod(file, mode) == 0 && inflate_to(pack, entry, file) == 0 && fdatasync(file) == 0 &&
		   same_digest(entry, file);
	close(file);
	return good ? 0 : -1;
}

static void remove_folder(int parent, const char *name) {
	int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *listing = folder < 0 ? NULL : fdopendir(folder);
	struct dirent *found;
	while (listing && (found = readdir(listing)))
		if (strcmp(found->d_name, ".") && strcmp(found->d_name, "..") &&
		    unlinkat(dirfd(listing), found->d_name, 0) < 0)
			remove_folder(dirfd(listing), found->d_name);
	if (listing)
		closedir(listing);
	unlinkat(parent, name, AT_REMOVEDIR);
}

// Other versions' folders that nothing runs from any more, and what was left half unpacked.
static void prune(int base, const char *keep) {
	struct dirent *found;
	struct stat status;
	DIR *listing = fdopendir(openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (listing && (found = readdir(listing))) {
		const char *name = found->d_name;
		if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, keep))
			continue;
		int folder = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (folder < 0)
			continue;
		if (fstat(folder, &status) == 0 && time(NULL) - status.st_mtime > UNUSED_FOR &&
		    flock(folder, LOCK_EX | LOCK_NB) == 0)
			remove_folder(base, name);
		close(folder);
	}
	if (listing)
		closedir(listing);
}

static void unpack(const struct pack *pack, int base, const char *where) {
	char scratch[64];
	if (isatty(STDERR_FILENO)) // it takes seconds on a busy machine
		dprintf(STDERR_FILENO, "pmz: unpacking, once for this version\n");
	snprintf(scratch, sizeof scratch, ".%s.%d", pack->key, getpid());
	remove_folder(base, scratch);
	int folder = own_folder(base, scratch);
	if (folder < 0)
		die("is there space, and may you write there? XDG_CACHE_HOME can name another folder",
		    "can't make a folder in %s", where);
	for (size_t i = 0; i < pack->count; i++)
		if (unpack_entry(pack, &pack->entries[i], folder) < 0) {
			int reason = errno;
			remove_folder(base, scratch);
			errno = reason;
			die(reason ? "is there space? XDG_CACHE_HOME can name another folder" : damaged,
			    "can't unpack %s in %s", pack->entries[i].name, where);
		}
	close(folder);
	if (renameat(base, scratch, base, pack->key) < 0) {
		// Another was quicker, or what lies there is no longer whole.
		int there = openat(base, pack->key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (there < 0 || complete(pack, there) < 0) {
			remove_folder(base, pack->key);
			unlinkat(base, pack->key, 0);
			renameat(base, scratch, base, pack->key);
		}
		if (there >= 0)
			close(there);
		remove_folder(base, scratch);
	}
	prune(base, pack->key);
}

int unpacked(const struct pack *pack, const char *base_path, char path[4096]) {
	char parent[PATH_MAX];
	const char *name = strrchr(base_path, '/') + 1;
	snprintf(parent, sizeof parent, "%.*s", (int)(name - base_path), base_path);
	mkdir(parent, 0700);
	int above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int base = above < 0 ? -1 : own_folder(above, name);
	if (base < 0)
		die("it has to be a folder of yours that others can't write to; XDG_CACHE_HOME can name "
		    "another",
		    "can't keep the program in %s", base_path);
	snprintf(path, 4096, "%s/%s", base_path, pack->key);
	for (int tries = 0; tries < 3; tries++) {
		// Kept open, and locked, for as long as anything runs from it: see prune.
		int folder = openat(base, pack->key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (folder >= 0 && flock(folder, LOCK_SH) == 0 && complete(pack, folder) == 0) {
			futimens(folder, NULL);
			return folder;
		}
		if (folder >= 0)
			close(folder);
		unpack(pack, base, base_path);
	}
	die("remove that folder", "what is in %s doesn't stay what it was", path);
}
