; The instructions of vmfuzz that may fault. Faults.cs knows where they lie: its handler goes on at fuzz_recover with the result in RAX.
default rel

section .text progbits alloc exec nowrite align=16

global fuzz_touch_start, fuzz_touch_end, fuzz_recover

fuzz_touch_start:

; RDI: address. Returns the byte there.
global fuzz_load
fuzz_load:
    movzx eax, byte [rdi]
    ret

; RDI: address, RSI: the byte to put there. Returns 0.
global fuzz_store
fuzz_store:
    mov [rdi], sil
    xor eax, eax
    ret

fuzz_touch_end:

; RDI: address. Calls what is there, which must be a return; 0. When the jump faults, RIP is the address itself and the handler lets it return.
global fuzz_jump
fuzz_jump:
    xor eax, eax
    sub rsp, 8
    call rdi
    add rsp, 8
    ret

; Where a faulting load or store goes on: returns RAX as the handler has set it.
fuzz_recover:
    ret

; EDI: the protection keys' rights of this thread.
global fuzz_set_keys
fuzz_set_keys:
    mov eax, edi
    xor ecx, ecx
    xor edx, edx
    wrpkru
    ret

global fuzz_get_keys
fuzz_get_keys:
    xor ecx, ecx
    rdpkru
    ret

; Addresses, for Faults.cs.
global fuzz_get_touch_start, fuzz_get_touch_end, fuzz_get_recover
fuzz_get_touch_start:
    lea rax, [fuzz_touch_start]
    ret
fuzz_get_touch_end:
    lea rax, [fuzz_touch_end]
    ret
fuzz_get_recover:
    lea rax, [fuzz_recover]
    ret
