namespace NanoVm.Core;

/// <summary>A value, or the reason why there is none.</summary>
internal readonly struct Result<T>
{
    private readonly T _value;

    /// <summary><see cref="Errno.None"/> when there is a value.</summary>
    public readonly Errno Error;

    private Result(T value, Errno error)
    {
        _value = value;
        Error = error;
    }

    public bool IsOk => Error == Errno.None;

    /// <summary>The value; the type's default when there is an error.</summary>
    public T Value => _value;

    public bool TryGet(out T value, out Errno error)
    {
        value = _value;
        error = Error;
        return error == Errno.None;
    }

    public static Result<T> Ok(T value) => new(value, Errno.None);

    public static implicit operator Result<T>(T value) => new(value, Errno.None);

    public static implicit operator Result<T>(Errno error) => new(default!, error);
}
