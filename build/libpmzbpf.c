// What Debian's static libbpf and libelf lack to become one shared object: both are compiled for programs,
// which may reach a thread-local variable and the C library's data in ways that a shared object may not.
// <stdio.h> and <sys/stat.h> would declare what is defined here.
#include <stddef.h>
#include <sys/syscall.h>

int snprintf(char *text, size_t size, const char *format, ...);
int setvbuf(void *file, char *buffer, int mode, size_t size);
void *fdopen(int fd, const char *mode);
long syscall(long number, ...);

#define HIDDEN __attribute__((visibility("hidden")))

// libbpf prints its complaints here, as long as no one has called libbpf_set_print.
HIDDEN void *stderr;

__attribute__((constructor)) static void open_stderr(void) {
	stderr = fdopen(2, "w");
	if (stderr)
		setvbuf(stderr, NULL, 2 /* _IONBF */, 0);
}

// In place of libelf's elf_error.o; libbpf asks only for messages to show.
static __thread int last;

HIDDEN void __libelf_seterrno(int number) {
	last = number;
}

HIDDEN int elf_errno(void) {
	int number = last;
	last = 0;
	return number;
}

HIDDEN const char *elf_errmsg(int number) {
	static __thread char message[40];
	if (number == 0 && last == 0)
		return NULL;
	snprintf(message, sizeof message, "libelf error %d", number > 0 ? number : last);
	return message;
}

// glibc has a symbol of this name since 2.33 only. On 64 bits the kernel's struct is glibc's.
HIDDEN int fstat(int fd, void *status) {
	return (int)syscall(SYS_fstat, fd, status);
}
