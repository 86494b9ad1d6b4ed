# A firmware of one purpose: does this accelerator really run 64-bit code?
#
# Some hosts offer a KVM that opens, starts and reports a running guest, which then makes no progress outside real mode.
# So this goes from the reset vector straight to long mode with paging, adds up 1 .. 100000 through the stack (5000050000,
# which needs more than 32 bits), reloads CR3, and says 42 to the isa-debug-exit device: QEMU ends with status 2 * 42 + 1.
# Any other end, and no end, means no.
#
# accel.py holds the assembled bytes; tests/drivers/hypervisor/test_accel.py assembles this file and compares:
#     as -o probe.o probe.s && ld -Ttext=0 --oformat=binary -o probe.bin probe.o

        .code16
        .globl  _start
_start:                                 # at F000:0000, which is linear 0xF0000
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    $0x1000, %di            # three page tables at 0x1000, 0x2000, 0x3000
        movw    $0x1800, %cx
        rep     stosw
        movw    $0x2003, 0x1000         # level 4, entry 0: level 3
        movw    $0x3003, 0x2000         # level 3, entry 0: level 2
        movw    $0x0083, 0x3000         # level 2, entry 0: the first 2 MiB, this code among them
        lgdtl   %cs:table_register
        movl    $0x20, %eax             # CR4.PAE
        movl    %eax, %cr4
        movl    $0x1000, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       # EFER.LME
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000001, %eax       # CR0.PG and CR0.PE
        movl    %eax, %cr0
        ljmpl   $8, $0xf0000 + long_mode

        .balign 8
table:  .quad   0
        .quad   0x00209a0000000000      # 8: code, 64 bit
        .quad   0x0000920000000000      # 16: data
table_register:
        .word   table_register - table - 1
        .long   0xf0000 + table

        .code64
long_mode:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %ss
        movl    $0x8000, %esp
        xorl    %ebx, %ebx
        movl    $100000, %ecx
1:      pushq   %rcx
        addq    (%rsp), %rbx
        popq    %rdx
        decl    %ecx
        jnz     1b
        movq    %cr3, %rax
        movq    %rax, %cr3
        movabsq $5000050000, %rax
        cmpq    %rax, %rbx
        jne     2f
        movb    $42, %al
        outb    %al, $0xf4
2:      hlt
        jmp     2b
