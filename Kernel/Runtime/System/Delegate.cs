using System.Runtime.CompilerServices;

namespace System;

/// <summary>
/// The base of delegates. The kernel uses function pointers and abstract classes instead, because a delegate is an object that
/// has to be allocated; user programs may use delegates that call one method.
/// </summary>
public abstract class Delegate
{
    // The compiler reads and writes these by name and calls through _functionPointer with _firstParameter first.
    internal object _firstParameter = null!;
    internal object _helperObject = null!;
    internal nint _extraFunctionPointerOrData;
    internal nint _functionPointer;

    // A delegate to an instance method.
    private protected void InitializeClosedInstance(object firstParameter, nint functionPointer)
    {
        if (firstParameter is null)
            ThrowHelper.Panic("delegate to an instance method of null");
        _functionPointer = functionPointer;
        _firstParameter = firstParameter;
    }

    private protected void InitializeClosedInstanceSlow(object firstParameter, nint functionPointer) =>
        InitializeClosedInstance(firstParameter, functionPointer);

    private protected void InitializeClosedInstanceWithoutNullCheck(object firstParameter, nint functionPointer)
    {
        _functionPointer = functionPointer;
        _firstParameter = firstParameter;
    }

    private protected void InitializeClosedStaticThunk(object firstParameter, nint functionPointer, nint functionPointerThunk)
    {
        _extraFunctionPointerOrData = functionPointer;
        _helperObject = firstParameter;
        _functionPointer = functionPointerThunk;
        _firstParameter = this;
    }

    // A delegate to a static method: the thunk drops the delegate itself and calls _extraFunctionPointerOrData.
    private protected void InitializeOpenStaticThunk(object firstParameter, nint functionPointer, nint functionPointerThunk)
    {
        _firstParameter = this;
        _functionPointer = functionPointerThunk;
        _extraFunctionPointerOrData = functionPointer;
    }
}

/// <summary>The class every delegate type derives from.</summary>
public abstract class MulticastDelegate : Delegate
{
}

/// <summary>A method without result.</summary>
public delegate void Action();

/// <summary>A method of one argument without result.</summary>
public delegate void Action<in T>(T argument) where T : allows ref struct;

/// <summary>A method with a result.</summary>
public delegate TResult Func<out TResult>() where TResult : allows ref struct;

/// <summary>A method of one argument with a result.</summary>
public delegate TResult Func<in T, out TResult>(T argument) where T : allows ref struct where TResult : allows ref struct;
