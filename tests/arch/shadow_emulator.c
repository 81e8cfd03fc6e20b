/* Runs an x86-64 program as on a CPU and kernel with user shadow stacks (CET), which few machines
 * have: single-steps it, keeps the shadow stack for it, and carries out the instructions that work
 * on one. The first return to where no call came from ends it, as the CPU would, with a line.
 *
 *   shadow_emulator program argument ..
 *
 * Exit status: the program's; 100 for a shadow-stack violation.
 *
 * Follows Intel's description of the instructions (SDM volume 2) and Linux's of map_shadow_stack. It
 * knows one thread, and as operand of rstorssp a register in brackets.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAP_SHADOW_STACK = 453, FIRST_STACK = 1 << 20 };

static pid_t child;
static struct user_regs_struct regs;
static uint64_t ssp;
static unsigned long steps, switches;

static void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("shadow stack: ");
    vprintf(format, args);
    printf(" (rip %#llx, ssp %#llx)\n", regs.rip, (unsigned long long)ssp);
    kill(child, 9);
    exit(100);
}

static uint64_t load(uint64_t at)
{
    uint64_t word = 0;
    struct iovec here = {&word, 8}, there = {(void *)at, 8};
    if (process_vm_readv(child, &here, 1, &there, 1, 0) != 8)
        fail("no memory at %#llx", (unsigned long long)at);
    return word;
}

static void store(uint64_t at, uint64_t word)
{
    struct iovec here = {&word, 8}, there = {(void *)at, 8};
    if (process_vm_writev(child, &here, 1, &there, 1, 0) != 8)
        fail("no memory at %#llx", (unsigned long long)at);
}

/* One instruction; returns 0 when the program has ended. */
static int step(int *status)
{
    ptrace(PTRACE_SINGLESTEP, child, 0, 0);
    waitpid(child, status, 0);
    steps++;
    if (!WIFSTOPPED(*status))
        return 0;
    if (WSTOPSIG(*status) == SIGSTOP || WSTOPSIG(*status) == SIGCONT) /* job control: go on */
        return step(status);
    if (WSTOPSIG(*status) != SIGTRAP)
        fail("the program got signal %d", WSTOPSIG(*status));
    ptrace(PTRACE_GETREGS, child, 0, &regs);
    return 1;
}

static void skip(int bytes)
{
    regs.rip += (unsigned)bytes;
    ptrace(PTRACE_SETREGS, child, 0, &regs);
}

/* The general register with this number in an instruction. */
static unsigned long long *reg(int number)
{
    unsigned long long *const all[16] = {
        &regs.rax, &regs.rcx, &regs.rdx, &regs.rbx, &regs.rsp, &regs.rbp, &regs.rsi, &regs.rdi,
        &regs.r8,  &regs.r9,  &regs.r10, &regs.r11, &regs.r12, &regs.r13, &regs.r14, &regs.r15};
    return all[number];
}

/* Has the program, which is at a syscall instruction, map memory: its address is then in rax. */
static int map(int *status, uint64_t bytes)
{
    regs.rax = SYS_mmap;
    regs.rdi = 0;
    regs.rsi = bytes;
    regs.rdx = PROT_READ | PROT_WRITE;
    regs.r10 = MAP_PRIVATE | MAP_ANONYMOUS;
    regs.r8 = (unsigned long long)-1;
    regs.r9 = 0;
    ptrace(PTRACE_SETREGS, child, 0, &regs);
    return step(status);
}

/* map_shadow_stack(address, size, SET_TOKEN), with ordinary memory. */
static int map_shadow_stack(int *status)
{
    struct user_regs_struct asked = regs;
    if (!map(status, asked.rsi))
        return 0;
    uint64_t base = regs.rax, end = base + asked.rsi;
    if (asked.rdx & 1)
        store(end - 8, end | 1);
    uint64_t rip = regs.rip;
    regs = asked;
    regs.rip = rip;
    regs.rax = base;
    ptrace(PTRACE_SETREGS, child, 0, &regs);
    return 1;
}

/* Takes the stack up whose restore token is at `token`, and leaves there how to come back. */
static void rstorssp(uint64_t token)
{
    if (token % 8 != 0 || load(token) != ((token + 8) | 1))
        fail("no restore token at %#llx", (unsigned long long)token);
    store(token, ssp | 2 | 1);
    ssp = token;
    switches++;
}

/* Puts a restore token on the stack that rstorssp has left. */
static void saveprevssp(void)
{
    uint64_t previous = load(ssp);
    if ((previous & 2) == 0)
        fail("no previous stack to save");
    previous &= ~(uint64_t)7;
    store(previous - 8, previous | 1);
    ssp += 8;
}

/* Executes the next instruction, with what it means for the shadow stack. */
static int next(int *status)
{
    uint8_t code[16];
    uint64_t words[2] = {load(regs.rip), 0};
    struct iovec here = {&words[1], 8}, there = {(void *)(regs.rip + 8), 8};
    process_vm_readv(child, &here, 1, &there, 1, 0);
    memcpy(code, words, 16);
    int at = 0, rep = 0, rex = 0;
    while (code[at] == 0x66 || code[at] == 0x67 || code[at] == 0xf2 || code[at] == 0xf3 ||
           code[at] == 0x2e || code[at] == 0x3e || code[at] == 0x64)
        rep |= code[at++] == 0xf3;
    if ((code[at] & 0xf0) == 0x40)
        rex = code[at++];
    const uint8_t *op = code + at;
    int mod = op[2] >> 6, field = (op[2] >> 3) & 7, rm = (op[2] & 7) | (rex & 1) << 3;

    if (op[0] == 0x0f && op[1] == 0x05 && regs.rax == MAP_SHADOW_STACK)
        return map_shadow_stack(status);
    if (rep && op[0] == 0x0f && op[1] == 0x1e && mod == 3 && field == 1) { /* rdsspq */
        *reg(rm) = ssp;
        return skip(at + 3), 1;
    }
    if (rep && op[0] == 0x0f && op[1] == 0xae && mod == 3 && field == 5) { /* incsspq */
        ssp += 8 * (*reg(rm) & 0xff);
        return skip(at + 3), 1;
    }
    if (rep && op[0] == 0x0f && op[1] == 0x01 && op[2] == 0xea) {
        saveprevssp();
        return skip(at + 3), 1;
    }
    if (rep && op[0] == 0x0f && op[1] == 0x01 && mod == 0 && field == 5) {
        rstorssp(*reg(rm));
        return skip(at + 3), 1;
    }
    int call = op[0] == 0xe8 || (op[0] == 0xff && ((op[1] >> 3) & 7) == 2);
    if (op[0] == 0xc3 || op[0] == 0xc2) {
        if (load(regs.rsp) != load(ssp))
            fail("return to %#llx, called from %#llx", (unsigned long long)load(regs.rsp),
                 (unsigned long long)load(ssp));
        ssp += 8;
    }
    if (!step(status))
        return 0;
    if (call)
        store(ssp -= 8, load(regs.rsp));
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[1], argv + 1);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
    ptrace(PTRACE_GETREGS, child, 0, &regs);
    /* The shadow stack the kernel would have made: by a system call put over the first instruction. */
    struct user_regs_struct start = regs;
    uint64_t first = load(regs.rip);
    ptrace(PTRACE_POKETEXT, child, (void *)start.rip, (void *)(uint64_t)0x050f);
    if (!map(&status, FIRST_STACK))
        fail("no memory");
    ssp = regs.rax + FIRST_STACK;
    ptrace(PTRACE_POKETEXT, child, (void *)start.rip, (void *)first);
    regs = start;
    ptrace(PTRACE_SETREGS, child, 0, &regs);
    while (next(&status))
        ;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 101;
    printf("shadow stacks: %lu instructions, %lu changes of stack, exit status %d\n", steps, switches,
           code);
    return code;
}
