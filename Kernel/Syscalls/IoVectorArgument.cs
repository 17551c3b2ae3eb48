using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Physical;

namespace NanoVm.Syscalls;

/// <summary>The list of buffers of a <c>readv</c> or <c>writev</c>, copied from user memory.</summary>
/// <remarks>Linux: <c>import_iovec</c>. Up to eight lie on the stack, more in an array that <see cref="Dispose"/> frees.</remarks>
internal ref struct IoVectorArgument
{
    /// <summary>Linux: <c>UIO_MAXIOV</c>.</summary>
    public const int Maximum = 1024;

    private const int Inline = 8;

    private readonly KernelArrays arrays;
    private IoVec[]? many;
    private InlineVectors few;
    private int count;

    [InlineArray(Inline)]
    private struct InlineVectors
    {
        private IoVec first;
    }

    private IoVectorArgument(KernelArrays arrays) => this.arrays = arrays;

    /// <summary>Copies the list. <see cref="Dispose"/> must follow a success, and may follow an error.</summary>
    /// <returns>EINVAL for too many, EFAULT, ENOMEM.</returns>
    public static unsafe Errno Get(Vfs vfs, VirtAddr address, ulong count, out IoVectorArgument argument)
    {
        argument = new IoVectorArgument(vfs.Arrays);
        if (count > Maximum)
            return Errno.EINVAL;
        argument.count = (int)count;
        if (count > Inline)
        {
            argument.many = vfs.Arrays.Allocate<IoVec>((int)count);
            if (argument.many is null)
                return Errno.ENOMEM;
        }
        Span<IoVec> vectors = argument.Vectors;
        for (int i = 0; i < vectors.Length; i++)
        {
            Errno error = UserCopy.Get(address + (ulong)(i * sizeof(IoVec)), out vectors[i]);
            if (error == Errno.None)
                continue;
            argument.Dispose();
            return error;
        }
        return Errno.None;
    }

    /// <summary>The list; may be cut by <see cref="IovIter.TryFromUser(Span{IoVec}, out IovIter)"/>.</summary>
    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public Span<IoVec> Vectors => many is not null ? many : ((Span<IoVec>)few)[..count];

    public void Dispose()
    {
        if (many is not null)
            arrays.Free(many);
        many = null;
    }
}
