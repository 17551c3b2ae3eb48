; memcpy, memmove and memset: for compiled code, which calls them for large structures and spans. System V calling convention.
; Small sizes run through a few overlapping moves; large ones through string instructions, which processors do by cache lines.
; (No SSE registers here: the kernel's entries would have to save them.)
default rel

section .text progbits alloc exec nowrite align=16

global memcpy
global memmove
global memset

; RDI: destination, RSI: source, RDX: bytes. Returns the destination. The ranges may overlap.
align 16
memcpy:
memmove:
    mov rax, rdi
    cmp rdx, 16
    jb .below_16
    cmp rdx, 32
    ja .above_32
    mov rcx, [rsi]                      ; 16..32: four words, the last two counted from the end; all read before any is written
    mov r8, [rsi + 8]
    mov r9, [rsi + rdx - 16]
    mov r10, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + 8], r8
    mov [rdi + rdx - 16], r9
    mov [rdi + rdx - 8], r10
    ret
.below_16:
    cmp edx, 8
    jae .from_8
    cmp edx, 4
    jae .from_4
    test edx, edx
    jz .done
    movzx ecx, byte [rsi]               ; 1..3: first, last and middle byte, which may be one and the same
    movzx r8d, byte [rsi + rdx - 1]
    mov r9d, edx
    shr r9d, 1
    movzx r10d, byte [rsi + r9]
    mov [rdi], cl
    mov [rdi + rdx - 1], r8b
    mov [rdi + r9], r10b
    ret
.from_8:
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
.from_4:
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
.done:
    ret
.above_32:
    mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb .backward                        ; the destination begins inside of the source
    mov rcx, rdx
    mov r8, [rsi + rdx - 8]             ; the last word, read before anything is overwritten
    lea r9, [rdi + rdx - 8]
    shr rcx, 3
    rep movsq
    mov [r9], r8
    ret
.backward:
    mov r8, [rsi]                       ; the first word likewise
    mov r9, rdi
    mov rcx, rdx
    lea rsi, [rsi + rdx - 8]
    lea rdi, [rdi + rdx - 8]
    shr rcx, 3
    std
    rep movsq
    cld
    mov [r9], r8
    ret

; RDI: destination, ESI: byte, RDX: bytes. Returns the destination.
align 16
memset:
    mov r9, rdi
    movzx eax, sil
    mov rcx, 0x0101010101010101
    imul rax, rcx
    cmp rdx, 8
    jb .below_8
    cmp rdx, 64
    ja .large
    mov [rdi + rdx - 8], rax            ; 8..64: words from the start, the last one counted from the end
    lea rdx, [rdi + rdx - 8]
.words:
    mov [rdi], rax
    add rdi, 8
    cmp rdi, rdx
    jb .words
    mov rax, r9
    ret
.large:
    mov [rdi + rdx - 8], rax
    mov rcx, rdx
    shr rcx, 3
    rep stosq
    mov rax, r9
    ret
.below_8:
    test edx, edx
    jz .done
.bytes:
    mov [rdi + rdx - 1], al
    dec edx
    jnz .bytes
.done:
    mov rax, r9
    ret
