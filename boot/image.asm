; Where the linker has put the parts of the kernel image, and the strings C# needs of it. One table, read by KernelImage in C#.
extern __image_physical_start, __image_physical_end
extern __text_start, __text_end, __rodata_start, __rodata_end, __data_start, __data_end
extern __modules_start, __modules_end, __exception_table_start, __exception_table_end
extern __symbols_start, __symbols_end, __managed_text_start, __managed_text_end

section .rodata progbits alloc noexec nowrite align=8
image_table:
    dq __image_physical_start, __image_physical_end
    dq __text_start, __text_end
    dq __rodata_start, __rodata_end
    dq __data_start, __data_end
    dq __modules_start, __modules_end
    dq __exception_table_start, __exception_table_end
    dq __symbols_start, __symbols_end
    dq __managed_text_start, __managed_text_end

section .text progbits alloc exec nowrite align=16
; Returns the address of the table.
global kernel_image_table
kernel_image_table:
    mov rax, qword image_table
    ret
