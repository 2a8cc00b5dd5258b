// Runs pmz from its single file: unpacks it once for each user, then becomes Deno with pmz's program.
//
// Root gets a folder of its own, /var/cache/pmz, whatever the environment says, has every digest checked on
// the open descriptor at each start, and keeps only what is listed here of the environment; its helper keeps
// nothing of it.
#define _GNU_SOURCE
#include "pack.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADDRESS_SPACE 40 // GiB; of memory it uses a hundredth of that
#define HELPER "helper"	 // the root process's command, first on its command line

// Before the names of what is dropped: it means nothing to the program. Programs that it starts for
// the user get it back.
#define TYPED "PMZ_TYPED_"

static const char *const kept_by_root[] = {
    "HOME=",	   "USER=",	  "LOGNAME=",	  "TERM=",	"COLORTERM=",  "NO_COLOR=",
    "COLUMNS=",	   "LANG=",	  "LC_",	  "TZ=",	"XDG_",	       "KUBECONFIG=",
    "KUBERNETES_", "SUDO_UID=",	  "SUDO_GID=",	  "SUDO_USER=", "HTTP_PROXY=", "HTTPS_PROXY=",
    "NO_PROXY=",   "http_proxy=", "https_proxy=", "no_proxy=",	NULL,
};
static const char *const dropped_by_all[] = {"DENO_", "NODE_OPTIONS=", "NODE_CHANNEL_", "PMZ_SELF=", NULL};

void die(const char *remedy, const char *format, ...) {
	int reason = errno;
	va_list values;
	fputs("pmz: ", stderr);
	va_start(values, format);
	vfprintf(stderr, format, values);
	va_end(values);
	if (reason)
		fprintf(stderr, ": %s", strerror(reason));
	fprintf(stderr, "\n     %s\n", remedy);
	exit(70); // EX_SOFTWARE of sysexits.h
}

static int begins(const char *text, const char *const *beginnings) {
	for (; *beginnings; beginnings++)
		if (!strncmp(text, *beginnings, strlen(*beginnings)))
			return 1;
	return 0;
}

static char *joined(const char *left, const char *right) {
	char *text;
	if (asprintf(&text, "%s%s", left, right) < 0)
		die("is there memory?", "can't start");
	return text;
}

// Where this user's programs are unpacked.
static char *base_folder(int root) {
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (root)
		return "/var/cache/pmz";
	if (cache && cache[0] == '/')
		return joined(cache, "/pmz");
	if (!home || home[0] != '/')
		die("set HOME, or XDG_CACHE_HOME", "don't know where to unpack the program");
	return joined(home, "/.cache/pmz");
}

static char **environment(char **given, int root, int helper, const char *self, const char *folder) {
	size_t count = 0, next = 0;
	while (given[count])
		count++;
	char **list = calloc(count + 8, sizeof *list);
	if (!list)
		die("is there memory?", "can't start");
	for (; *given && !helper; given++) {
		int is_kept = !begins(*given, dropped_by_all) && (!root || begins(*given, kept_by_root));
		if (strncmp(*given, "PMZ_SELF=", strlen("PMZ_SELF=")))
			list[next++] = is_kept ? *given : joined(TYPED, *given);
	}
	if (root)
		list[next++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	list[next++] = joined("PMZ_SELF=", self);
	list[next++] = joined(joined("DENO_DIR=", folder), "/cache");
	list[next++] = "DENO_NO_UPDATE_CHECK=1";
	list[next++] = "DENO_NO_PACKAGE_JSON=1";
	return list;
}

// A copy of the program in memory, for folders that no program may be run from.
static int in_memory(int program, size_t size) {
	int copy = memfd_create("pmz", 0x10 /* MFD_EXEC, since Linux 6.3 */ | MFD_CLOEXEC);
	if (copy < 0)
		copy = memfd_create("pmz", MFD_CLOEXEC);
	for (off_t at = 0; copy >= 0 && (size_t)at < size;) {
		ssize_t count = copy_file_range(program, &at, copy, NULL, size - at, 0);
		char chunk[1 << 16];
		if (count <= 0) { // between file systems some kernels won't
			count = pread(program, chunk, sizeof chunk, at);
			if (count <= 0 || write(copy, chunk, count) != count)
				return -1;
			at += count;
		}
	}
	return copy;
}

// Becomes the very file that was checked.
static void execute(int program, char **arguments, char **environment) {
	char path[32];
	syscall(SYS_execveat, program, "", arguments, environment, AT_EMPTY_PATH);
	if (errno != ENOSYS)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", program); // QEMU's user mode 7.2 has no execveat
	execve(path, arguments, environment);
}

// Deno starts in no folder that is gone, and V8 reserves address space in pieces of many GiB.
static void check_surroundings(void) {
	char here[4096];
	if (!getcwd(here, sizeof here) && errno == ENOENT && !chdir("/"))
		fputs("pmz: the current folder is gone: going on in /\n", stderr);
	struct rlimit space;
	if (getrlimit(RLIMIT_AS, &space) || space.rlim_cur == RLIM_INFINITY)
		return;
	space.rlim_cur = space.rlim_max;
	setrlimit(RLIMIT_AS, &space);
	errno = 0;
	if (space.rlim_max != RLIM_INFINITY && space.rlim_max >> 30 < ADDRESS_SPACE)
		die("run: ulimit -v unlimited",
		    "won't start in %llu GiB of address space: V8 reserves %d GiB",
		    (unsigned long long)(space.rlim_max >> 30), ADDRESS_SPACE);
}

int main(int count, char **given, char **given_environment) {
	struct pack pack;
	char self[4096] = "", folder[4096];
	int root = geteuid() == 0, helper = root && count > 1 && !strcmp(given[1], HELPER);
	if (getuid() != geteuid() || getgid() != getegid())
		die("take the setuid and setgid bits off this file", "won't run with another's rights");
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		die("pmz needs /proc", "can't find its own file");
	check_surroundings();
	mode_t mask = umask(077);
	open_pack(&pack, self);
	int at = unpacked(&pack, base_folder(root), folder);
	int program = checked_program(&pack, at, root);
	if (program < 0)
		die("remove that folder", "%s is not what was unpacked there", folder);

	char *options[] = {"pmz",
			   "run",
			   "--quiet",
			   "--allow-all",
			   "--unstable-net", // Deno.listenDatagram
			   "--no-prompt",
			   "--no-config",
			   "--no-lock",
			   "--no-remote",
			   "--no-npm",
			   "--cached-only",
			   joined(folder, "/main.js"),
			   NULL};
	size_t next = 0;
	char **arguments = calloc(sizeof options / sizeof *options + count + 1, sizeof *arguments);
	if (!arguments)
		die("is there memory?", "can't start");
	for (char **option = options; *option; option++) {
		arguments[next++] = *option;
		if (root && option == &options[1])
			arguments[next++] = "--no-code-cache";
	}
	for (int i = 1; i < count; i++)
		arguments[next++] = given[i];
	umask(mask);
	char **kept = environment(given_environment, root, helper, self, folder);
	execute(program, arguments, kept);
	if (errno == EACCES) {
		int copy = in_memory(program, pack.entries[PROGRAM].size);
		if (copy >= 0)
			execute(copy, arguments, kept);
	}
	die("may programs be run from there? XDG_CACHE_HOME can name another folder. pmz needs glibc 2.28 or "
	    "newer",
	    "can't run what is in %s", folder);
}
