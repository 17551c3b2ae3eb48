; What the kernel must never be able to do, tried: for the suite that proves each protection by an attempt (NanoVm.SelfTest.Attempts).
; Each function makes one access and returns 0 when the processor let it happen, else what it said: the exception's vector in the
; upper half and its error code in the lower one, as the exception table hands them over in R11.
;
; An attempt that should fail and does not harms nothing: whoever writes gives the byte that is there, whoever jumps has put a RET there.
default rel

AC equ 1 << 18

%macro FUNCTION 1
align 16
global %1
%1:
%endmacro

; %1: the instruction, or for calls the place that they return to.
%macro RECOVER 1
    [section .exception_table]
    dq %1, attempt_failed
    __?SECT?__
%endmacro

section .exception_table progbits alloc noexec nowrite align=8
section .text progbits alloc exec nowrite align=16

attempt_failed:
    pushfq                              ; those that have set AC come here with it
    and dword [rsp], ~AC
    popfq
    mov rax, r11
    ret

FUNCTION attempt_read
    mov al, [rdi]
    xor eax, eax
    ret
RECOVER attempt_read

FUNCTION attempt_write
    mov [rdi], sil
    xor eax, eax
    ret
RECOVER attempt_write

FUNCTION attempt_call
    call rdi
.back:
    xor eax, eax
    ret
RECOVER attempt_call.back

; The same two with AC set: what SMAP forbids is allowed then, what the entry's rights forbid is not.
FUNCTION attempt_open_read
    call open_user_memory
.access:
    mov al, [rdi]
    jmp close_user_memory
RECOVER attempt_open_read.access

FUNCTION attempt_open_write
    call open_user_memory
.access:
    mov [rdi], sil
    jmp close_user_memory
RECOVER attempt_open_write.access

open_user_memory:                       ; POPF can do what STAC does, and on every processor
    pushfq
    or dword [rsp], AC
    popfq
    ret

close_user_memory:
    pushfq
    and dword [rsp], ~AC
    popfq
    xor eax, eax
    ret

; Fills the stack until its guard page stops it. Never returns: the processor finds no room for the page fault's frame.
FUNCTION attempt_overflow
    push rax
    jmp attempt_overflow

; A RET in each part of the image, to jump to.
%macro PLACE 1
FUNCTION %1
    lea rax, [%1_ret]
    ret
%endmacro
PLACE attempt_text
PLACE attempt_constant
PLACE attempt_data
PLACE attempt_zeroed

attempt_text_ret:
    ret

section .rodata progbits alloc noexec nowrite align=8
attempt_constant_ret:
    db 0xc3

section .data progbits alloc noexec write align=8
attempt_data_ret:
    db 0xc3

section .bss nobits alloc noexec write align=8
attempt_zeroed_ret:
    resb 8
