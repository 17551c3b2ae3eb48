using System;

namespace NanoVm.SelfTest;

/// <summary>A group of cases that run in the kernel, before there is a first task. Ring 2 of the tests.</summary>
internal abstract class TestSuite
{
    /// <summary>What <c>test=</c> on the command line calls it.</summary>
    public abstract ReadOnlySpan<byte> Name { get; }

    public abstract int Count { get; }

    /// <summary>The machine does not survive it: <c>test=all</c> leaves it out.</summary>
    public virtual bool EndsTheMachine => false;

    /// <summary>The case as a sentence in words joined by underlines.</summary>
    public abstract ReadOnlySpan<byte> CaseName(int number);

    public abstract void Run(int number, TestContext test);
}

/// <summary>What a case says while it runs.</summary>
internal sealed class TestContext
{
    public bool Failed { get; private set; }

    /// <summary>The first expectation that did not hold.</summary>
    public ReadOnlySpan<byte> Reason => _reasonLength == 0 ? default : _reason.AsSpan(0, _reasonLength);

    private readonly byte[] _reason = new byte[128];
    private int _reasonLength;
    private ulong _random;

    public void Begin()
    {
        Failed = false;
        _reasonLength = 0;
        _random = 0x9e37_79b9_7f4a_7c15;
    }

    /// <summary>Fails the case, and goes on, unless the expectation holds.</summary>
    /// <param name="what">The expectation.</param>
    public void Check(bool holds, ReadOnlySpan<byte> what)
    {
        if (holds || Failed)
            return;
        Failed = true;
        _reasonLength = Math.Min(what.Length, _reason.Length);
        what[.._reasonLength].CopyTo(_reason);
    }

    /// <summary>The next of a stream of numbers that is the same in every run.</summary>
    public ulong Next()
    {
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        return _random;
    }

    public int Next(int below) => (int)(Next() % (ulong)below);
}
