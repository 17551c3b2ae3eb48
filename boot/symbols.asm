; The table from addresses to C# names and lines, as data of the kernel: made by tools/BuildTool from a first link without it.
; Read by Kernel/Core/Panic/SymbolTable.cs.
section .symbols progbits alloc noexec nowrite align=16
incbin "symbols.bin"
