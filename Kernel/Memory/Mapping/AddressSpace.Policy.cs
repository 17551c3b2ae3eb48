using System.Threading;
using NanoVm.Core;
using NanoVm.Memory.Numa;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>The memory policies of shared memory, which belong to the file and not to the areas that map it.</summary>
internal abstract partial class AddressSpace
{
    /// <summary>Null until somebody sets one. Set once, under <see cref="_lock"/>.</summary>
    private SharedPolicy? _policies;

    /// <summary>The policy of page <paramref name="index"/>, with a reference; null for none. Linux: <c>shmem_get_policy</c>.</summary>
    internal MemoryPolicy? FindPolicy(ulong index) => Volatile.Read(ref _policies)?.Find(index);

    /// <summary>Sets the policy of <paramref name="pages"/> pages. Linux: <c>shmem_set_policy</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>; then nothing has changed.</returns>
    internal Errno SetPolicy(MemorySystem system, ulong first, ulong pages, MemoryPolicy? policy)
    {
        if (Volatile.Read(ref _policies) is null)
        {
            if (policy is null)
                return Errno.None;
            if (SharedPolicy.Create(system) is not { } made)
                return Errno.ENOMEM;
            bool enabled = _lock.AcquireRaw();
            bool isFirst = _policies is null;
            if (isFirst)
                Volatile.Write(ref _policies, made);
            _lock.ReleaseRaw(enabled);
            if (!isFirst)
                made.Free();
        }

        return _policies!.TrySet(first, first + pages - 1, policy) ? Errno.None : Errno.ENOMEM;
    }

    private void FreePolicies()
    {
        _policies?.Free();
        _policies = null;
    }
}
