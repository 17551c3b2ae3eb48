namespace System.Collections
{
    /// <summary>Can be walked. <c>foreach</c> works by pattern here; the interface exists because the language names it.</summary>
    public interface IEnumerable
    {
        /// <summary>Starts a walk.</summary>
        IEnumerator GetEnumerator();
    }

    /// <summary>A walk.</summary>
    public interface IEnumerator
    {
        /// <summary>The element it stands on.</summary>
        object? Current { get; }

        /// <summary>Goes to the next element.</summary>
        bool MoveNext();

        /// <summary>Goes back to the start.</summary>
        void Reset();
    }
}

namespace System.Collections.Generic
{
    /// <summary>Can be walked.</summary>
    public interface IEnumerable<out T> : IEnumerable
    {
        /// <summary>Starts a walk.</summary>
        new IEnumerator<T> GetEnumerator();
    }

    /// <summary>A walk.</summary>
    public interface IEnumerator<out T> : IEnumerator, IDisposable
    {
        /// <summary>The element it stands on.</summary>
        new T Current { get; }
    }
}
