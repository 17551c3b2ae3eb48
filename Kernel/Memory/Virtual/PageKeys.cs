using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Protection keys: which of the sixteen an address space has given out, and the one that makes memory executable only.</summary>
/// <remarks>
/// Linux: <c>mm_pkey_alloc</c>, <c>mm_pkey_free</c>, <c>execute_only_pkey</c>. pkeys(7). Key 0 is every page's from the start. A page's key is four bits
/// of its entry; what a thread may do with pages of a key is in its own register PKRU, so changing that needs no flush and no call.
/// </remarks>
internal sealed partial class MmStruct
{
    private const uint DenyAccess = 1;

    /// <summary>The lowest free key.</summary>
    /// <returns><see cref="Errno.ENOSPC"/> when all are taken or the processor has none.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing.</remarks>
    public Result<int> AllocateKey()
    {
        if (!ProtectionKeys.Available)
            return Errno.ENOSPC;
        for (int key = 1; key < ProtectionKeys.Count; key++)
        {
            if ((AllocatedKeys & (1 << key)) == 0)
            {
                AllocatedKeys |= (ushort)(1 << key);
                return key;
            }
        }

        return Errno.ENOSPC;
    }

    /// <summary>Gives a key back; pages that have it keep it.</summary>
    /// <returns><see cref="Errno.EINVAL"/> when it was not given out.</returns>
    public Errno FreeKey(int key)
    {
        if (!IsKeyAllocated(key))
            return Errno.EINVAL;
        AllocatedKeys &= (ushort)~(1 << key);
        return Errno.None;
    }

    /// <summary>The key of the memory at <paramref name="address"/>, for <c>si_pkey</c>; 0 where nothing is.</summary>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public int ProtectionKeyAt(VirtAddr address)
    {
        MmapLock.ReadLock();
        int key = LookupVma(address) is { } area ? area.Flags.ProtectionKey() : 0;
        MmapLock.ReadUnlock();
        return key;
    }

    /// <summary>Whether the program may use the key: the kernel's own execute-only key is none of its.</summary>
    private bool IsKeyAllocated(int key)
        => key >= 0 && key < ProtectionKeys.Count && (ExecuteOnlyKey == 0 || key != ExecuteOnlyKey) && (AllocatedKeys & (1 << key)) != 0;

    /// <summary>The key for memory with PROT_EXEC alone, whose pages x86 could not otherwise keep from being read.</summary>
    /// <returns>0 when there is none to be had: the memory is then readable, as on processors without keys.</returns>
    private int GetExecuteOnlyKey()
    {
        if (ExecuteOnlyKey == 0)
        {
            if (!AllocateKey().TryGet(out int key, out _))
                return 0;
            ExecuteOnlyKey = (byte)key;
        }

        ProtectionKeys.SetRights(ExecuteOnlyKey, DenyAccess);
        return ExecuteOnlyKey;
    }

    /// <summary>Which key <c>mprotect</c> gives a part of <paramref name="area"/>. Linux: <c>arch_override_mprotect_pkey</c>.</summary>
    private int KeyFor(VmArea area, Protection protection, int asked)
    {
        if (asked >= 0)
            return asked;
        int now = area.Flags.ProtectionKey();
        if (protection == Protection.Execute)
        {
            int key = GetExecuteOnlyKey();
            return key > 0 ? key : now;
        }

        // Memory that was execute-only and is so no longer gets the ordinary key back.
        bool wasExecuteOnly = ExecuteOnlyKey != 0 && now == ExecuteOnlyKey && (area.Flags & VmFlags.AccessMask) == VmFlags.Execute;
        return wasExecuteOnly ? 0 : now;
    }
}
