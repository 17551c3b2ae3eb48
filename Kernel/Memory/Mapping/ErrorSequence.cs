using NanoVm.Core;

namespace NanoVm.Memory.Mapping;

/// <summary>The last failure of writeback, and how often there was one that somebody has been told of: so each holder hears of it once.</summary>
/// <remarks>
/// Linux: <c>errseq_t</c>. Who opens a file takes a <see cref="Sample"/>; an <c>fsync</c> asks <see cref="Check"/> whether anything happened
/// since. An error that nobody has seen yet is news to who opens the file later, too.
/// <code>
///   bits 31 … 13  count      12  seen      11 … 0  errno
/// </code>
/// </remarks>
internal struct ErrorSequence
{
    private const uint Seen = 1 << 12;
    private const uint Increment = Seen << 1;
    private const uint ErrorMask = Seen - 1;

    private uint _value;

    /// <summary>Records a failure. Linux: <c>errseq_set</c>. Also from interrupts.</summary>
    public void Record(Errno error)
    {
        uint next = (_value & ~(Seen | ErrorMask)) | (uint)error;
        // Only what somebody has seen must be told from what comes now.
        if ((_value & Seen) != 0)
            next += Increment;
        _value = next;
    }

    /// <summary>What a new holder begins with. Linux: <c>errseq_sample</c>.</summary>
    public readonly uint Sample() => (_value & Seen) != 0 ? _value : 0;

    /// <summary>The failure since <paramref name="since"/>, which moves on: the next check hears of newer ones only. Linux: <c>errseq_check_and_advance</c>.</summary>
    public Errno Check(ref uint since)
    {
        if (_value == since)
            return Errno.None;
        if (_value != 0)
            _value |= Seen;
        since = _value;
        return (Errno)(int)(_value & ErrorMask);
    }
}
